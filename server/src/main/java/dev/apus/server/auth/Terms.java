package dev.apus.server.auth;

/**
 * What a tenant may take of the server.
 *
 * @param weight its share of the engine in relation to the others', above 0; 1 is usual
 * @param kvShare most of the KV cache that its requests may hold, above 0 to 1
 * @param requestsPerMinute requests that make the engine work; 0 means no limit
 * @param tokensPerMinute tokens of prompts and answers together; 0 means no limit
 * @param maxConcurrent requests that make the engine work at one time; 0 means no limit
 */
public record Terms(double weight, double kvShare, long requestsPerMinute, long tokensPerMinute, int maxConcurrent) {
    /** An equal share and no limits. */
    public static final Terms USUAL = new Terms(1, 1, 0, 0, 0);

    /** A limit beyond is none, and sums of it would overflow. */
    private static final long MOST = 1_000_000_000_000L;

    private static final double LEAST_WEIGHT = 1e-3;
    private static final double MOST_WEIGHT = 1e3;

    public Terms {
        if (!(weight >= LEAST_WEIGHT && weight <= MOST_WEIGHT)) {
            throw new IllegalArgumentException("weight is " + weight + ", must be 0.001 to 1000");
        }
        if (!(kvShare > 0 && kvShare <= 1)) {
            throw new IllegalArgumentException("kv_share is " + kvShare + ", must be above 0, at most 1");
        }
        require("requests_per_minute", requestsPerMinute);
        require("tokens_per_minute", tokensPerMinute);
        require("max_concurrent", maxConcurrent);
    }

    private static void require(String name, long value) {
        if (value < 0 || value > MOST) {
            throw new IllegalArgumentException(name + " is " + value + ", must be 0 (no limit) to " + MOST);
        }
    }
}
