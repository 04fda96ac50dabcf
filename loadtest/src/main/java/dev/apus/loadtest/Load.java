package dev.apus.loadtest;

/**
 * How much is asked for.
 *
 * @param seconds that new requests are made for
 * @param users that stream at a time
 * @param peakUsers where a ramp ends, or of a spike, or of the tenant that takes too much
 * @param rate requests a second, for scenarios that can do without users; 0: as the users are done
 * @param tenants that share the server, besides the one that takes too much
 * @param promptTokens about so many tokens of a prompt: words are sent, and the server tells how many tokens they were
 * @param longPromptTokens the same of long prompts
 * @param maxTokens most tokens of an answer
 * @param timeoutSeconds that an answer may take from its first token on, and a first token before it
 */
public record Load(
        int seconds,
        int users,
        int peakUsers,
        double rate,
        int tenants,
        int promptTokens,
        int longPromptTokens,
        int maxTokens,
        int timeoutSeconds) {
    public Load {
        positive("--duration", seconds);
        positive("--users", users);
        positive("--peak-users", peakUsers);
        positive("--tenants", tenants);
        positive("--prompt-tokens", promptTokens);
        positive("--long-prompt-tokens", longPromptTokens);
        positive("--max-tokens", maxTokens);
        positive("--timeout", timeoutSeconds);
        if (!(rate >= 0) || rate == Double.POSITIVE_INFINITY) {
            throw new IllegalArgumentException("--rate is " + rate + ", must be 0 or more");
        }
    }

    /** The same for another time. */
    public Load during(int otherSeconds) {
        return new Load(
                otherSeconds,
                users,
                peakUsers,
                rate,
                tenants,
                promptTokens,
                longPromptTokens,
                maxTokens,
                timeoutSeconds);
    }

    private static void positive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " is " + value + ", must be 1 or more");
        }
    }
}
