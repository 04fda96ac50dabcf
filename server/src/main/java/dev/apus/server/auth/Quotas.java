package dev.apus.server.auth;

import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/** What each tenant has taken of what it may. Thread-safe. */
public final class Quotas {
    private final ConcurrentHashMap<String, Account> accounts = new ConcurrentHashMap<>();
    private final LongSupplier clock;

    /** @param clock nanoseconds since whenever, as {@link System#nanoTime} */
    public Quotas(LongSupplier clock) {
        this.clock = clock;
    }

    /**
     * Counts a request, until {@link Admission#leave}.
     *
     * @throws QuotaException if the tenant has as many requests running as it may, or has no requests or tokens left for now
     */
    public Admission enter(Principal principal) {
        Terms terms = principal.terms();
        if (terms.requestsPerMinute() == 0 && terms.tokensPerMinute() == 0 && terms.maxConcurrent() == 0) {
            return Admission.UNLIMITED;
        }
        Account account = account(principal);
        account.enter(terms);
        return new Admission(account);
    }

    /**
     * Counts the tokens of work that no client waits for, and not the requests.
     *
     * @throws QuotaException if the tenant has no tokens left for now
     */
    public Admission enterInBackground(Principal principal) {
        Terms terms = principal.terms();
        if (terms.tokensPerMinute() == 0) {
            return Admission.UNLIMITED;
        }
        Account account = account(principal);
        account.begin(terms);
        return Admission.ofTokens(account);
    }

    /** What the principal's tenant may still take, after {@link #enter} refused. */
    public Admission.Standing standing(Principal principal) {
        return account(principal).standing();
    }

    private Account account(Principal principal) {
        // Tenants are those of the keys, so that there are not many.
        return accounts.computeIfAbsent(principal.tenant(), name -> new Account(name, clock));
    }
}
