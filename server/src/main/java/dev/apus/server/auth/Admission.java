package dev.apus.server.auth;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** A request that counts against its tenant's limits. Thread-safe. */
public final class Admission {
    /**
     * What a tenant may still take.
     *
     * @param requestsLimit requests in a minute; 0 means no limit
     * @param requestsLeft of these now
     * @param requestsResetSeconds until all are there again
     * @param tokensLimit tokens in a minute; 0 means no limit
     * @param tokensLeft of these now
     * @param tokensResetSeconds until all are there again
     */
    public record Standing(
            long requestsLimit,
            long requestsLeft,
            double requestsResetSeconds,
            long tokensLimit,
            long tokensLeft,
            double tokensResetSeconds) {}

    /** Of a tenant without limits. */
    public static final Admission UNLIMITED = new Admission(null);

    private static final Standing FREE = new Standing(0, 0, 0, 0, 0, 0);

    private final @Nullable Account account;
    private final AtomicBoolean left = new AtomicBoolean();

    Admission(@Nullable Account account) {
        this.account = account;
    }

    /** Of work whose tokens alone are counted. */
    static Admission ofTokens(Account account) {
        Admission admission = new Admission(account);
        admission.left.set(true);
        return admission;
    }

    /** Takes a prompt's tokens. @throws QuotaException if there are not so many */
    public void takePrompt(long tokens) {
        if (account != null) {
            account.takePrompt(tokens);
        }
    }

    /** Takes tokens that were generated, which may leave a debt. */
    public void takeGenerated(long tokens) {
        if (account != null) {
            account.takeGenerated(tokens);
        }
    }

    /** Gives back a prompt's tokens: nothing was computed for it. */
    public void giveBack(long tokens) {
        if (account != null) {
            account.giveBack(tokens);
        }
    }

    /** The request does not run any more. Only the first call counts. */
    public void leave() {
        if (account != null && left.compareAndSet(false, true)) {
            account.leave();
        }
    }

    /** What its tenant may still take. */
    public Standing standing() {
        return account == null ? FREE : account.standing();
    }
}
