package dev.apus.server.auth;

import java.util.function.LongSupplier;

/** What one tenant has taken. Thread-safe. */
final class Account {
    /** Somebody's request may end at any time. */
    private static final int RETRY_WHEN_CONCURRENT = 1;

    private final String tenant;
    private final LongSupplier clock;
    private final Bucket requests = new Bucket();
    private final Bucket tokens = new Bucket();
    private Terms terms = Terms.USUAL;
    private int running;

    Account(String tenant, LongSupplier clock) {
        this.tenant = tenant;
        this.clock = clock;
    }

    synchronized void enter(Terms current) {
        terms = current;
        fill();
        if (current.maxConcurrent() > 0 && running >= current.maxConcurrent()) {
            throw new QuotaException(
                    "the tenant '" + tenant + "' has " + running + " requests running, may have "
                            + current.maxConcurrent() + " at one time",
                    RETRY_WHEN_CONCURRENT);
        }
        if (!requests.has(1)) {
            throw new QuotaException(
                    "the tenant '" + tenant + "' has sent the " + requests.limit()
                            + " requests that it may in a minute",
                    seconds(requests.secondsUntil(1)));
        }
        if (!tokens.has(1)) {
            throw noTokens(1);
        }
        requests.take(1);
        running++;
    }

    /** Work that is not counted as a request and uses tokens all the same. */
    synchronized void begin(Terms current) {
        terms = current;
        fill();
        if (!tokens.has(1)) {
            throw noTokens(1);
        }
    }

    synchronized void leave() {
        running--;
    }

    synchronized void takePrompt(long count) {
        fill();
        if (tokens.limit() > 0 && count > tokens.limit()) {
            throw new QuotaException(
                    "the prompt has " + count + " tokens, the tenant '" + tenant + "' may use " + tokens.limit()
                            + " in a minute",
                    0);
        }
        if (!tokens.has(count)) {
            throw noTokens(count);
        }
        tokens.take(count);
    }

    synchronized void takeGenerated(long count) {
        tokens.take(count);
    }

    synchronized void giveBack(long count) {
        tokens.giveBack(count);
    }

    synchronized Admission.Standing standing() {
        fill();
        return new Admission.Standing(
                requests.limit(),
                requests.remaining(),
                requests.secondsUntil(requests.limit()),
                tokens.limit(),
                tokens.remaining(),
                tokens.secondsUntil(tokens.limit()));
    }

    private void fill() {
        long now = clock.getAsLong();
        requests.fill(terms.requestsPerMinute(), now);
        tokens.fill(terms.tokensPerMinute(), now);
    }

    private QuotaException noTokens(long wanted) {
        return new QuotaException(
                "the tenant '" + tenant + "' has used the tokens that it may in a minute: " + tokens.limit()
                        + ", of which " + tokens.remaining() + " are left and " + wanted
                        + (wanted == 1 ? " is" : " are") + " needed",
                seconds(tokens.secondsUntil(wanted)));
    }

    private static int seconds(double seconds) {
        return (int) Math.max(1, Math.min(Integer.MAX_VALUE, Math.ceil(seconds)));
    }
}
