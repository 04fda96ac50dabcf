package dev.apus.server.auth;

/**
 * What a tenant may take; 0 means no limit.
 *
 * @param requestsPerMinute requests that make the engine work
 * @param tokensPerMinute tokens of prompts and answers together
 * @param maxConcurrent requests that make the engine work at one time
 */
public record Quota(long requestsPerMinute, long tokensPerMinute, int maxConcurrent) {
    /** No limits. */
    public static final Quota NONE = new Quota(0, 0, 0);

    public Quota {
        require("requests_per_minute", requestsPerMinute);
        require("tokens_per_minute", tokensPerMinute);
        require("max_concurrent", maxConcurrent);
    }

    private static void require(String name, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " is " + value + ", must be 0 (no limit) or more");
        }
    }
}
