package dev.apus.server.http;

import dev.apus.server.auth.Admission.Standing;
import java.util.Locale;

/** What a tenant may still take, in the headers that OpenAI has for it. */
final class RateLimits {
    /** The headers' names, for pages of other origins. */
    static final String NAMES =
            "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests,"
                    + " x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

    private static final int SECONDS_PER_MINUTE = 60;
    private static final int MILLIS_PER_SECOND = 1000;

    private RateLimits() {}

    /** Tells the limits that there are. */
    static void tell(Exchange exchange, Standing standing) {
        tell(exchange, "requests", standing.requestsLimit(), standing.requestsLeft(), standing.requestsResetSeconds());
        tell(exchange, "tokens", standing.tokensLimit(), standing.tokensLeft(), standing.tokensResetSeconds());
    }

    private static void tell(Exchange exchange, String what, long limit, long left, double resetSeconds) {
        if (limit > 0) {
            exchange.header("x-ratelimit-limit-" + what, Long.toString(limit));
            exchange.header("x-ratelimit-remaining-" + what, Long.toString(left));
            exchange.header("x-ratelimit-reset-" + what, duration(resetSeconds));
        }
    }

    /** As OpenAI writes it: {@code 120ms}, {@code 1.5s}, {@code 6m0s}. */
    static String duration(double seconds) {
        if (seconds < 1) {
            return (long) Math.ceil(seconds * MILLIS_PER_SECOND) + "ms";
        }
        if (seconds < SECONDS_PER_MINUTE) {
            String text = String.format(Locale.ROOT, "%.1f", seconds);
            return (text.endsWith(".0") ? text.substring(0, text.length() - 2) : text) + "s";
        }
        long whole = (long) Math.ceil(seconds);
        return whole / SECONDS_PER_MINUTE + "m" + whole % SECONDS_PER_MINUTE + "s";
    }
}
