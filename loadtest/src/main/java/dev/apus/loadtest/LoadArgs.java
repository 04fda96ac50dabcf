package dev.apus.loadtest;

import dev.apus.loadtest.measure.Limit;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Options that say how much is asked for. */
final class LoadArgs {
    /** A tenant that takes too much, and a spike, have so many times the users. */
    private static final int PEAK = 10;

    @Option(
            names = "--duration",
            paramLabel = "TIME",
            defaultValue = "60s",
            converter = Seconds.class,
            description = "How long new requests are made: 90s, 10m, 1h. Default: ${DEFAULT-VALUE}")
    private int seconds;

    @Option(
            names = "--users",
            paramLabel = "N",
            defaultValue = "4",
            description =
                    "Clients that stream at a time; each asks again when it has its answer. Default: ${DEFAULT-VALUE}")
    private int users;

    @Option(
            names = "--peak-users",
            paramLabel = "N",
            defaultValue = "0",
            description = "Those at a ramp's end, in a spike, or of the greedy tenant. Default: 10 times --users")
    private int peakUsers;

    @Option(
            names = "--rate",
            paramLabel = "R",
            defaultValue = "0",
            description =
                    "steady, hostile, soak: so many requests a second, whatever the server does, in place of --users.")
    private double rate;

    @Option(
            names = "--tenants",
            paramLabel = "N",
            defaultValue = "2",
            description = "tenants: those beside the greedy one. Default: ${DEFAULT-VALUE}")
    private int tenants;

    @Option(
            names = "--prompt-tokens",
            paramLabel = "N",
            defaultValue = "64",
            description = "About so many tokens of a prompt, as words. Default: ${DEFAULT-VALUE}")
    private int promptTokens;

    @Option(
            names = "--long-prompt-tokens",
            paramLabel = "N",
            defaultValue = "2048",
            description = "The same of long prompts. Default: ${DEFAULT-VALUE}")
    private int longPromptTokens;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "64",
            description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}")
    private int maxTokens;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            defaultValue = "60s",
            converter = Seconds.class,
            description = "Time for the first token, and for those after it. Default: ${DEFAULT-VALUE}")
    private int timeout;

    @Option(
            names = "--limit",
            paramLabel = "LIMIT",
            description = "What must hold in the end, as ttft-p95=500, itl-p99=50, e2e-p50=2000 (milliseconds), or"
                    + " greedy:ttft-p50=9000 for one series. May be repeated.")
    private List<String> limits = new ArrayList<>();

    @Option(names = "--allow-refusals", description = "429 and 503 are right answers.")
    private boolean mayRefuse;

    Load load() {
        return new Load(
                seconds,
                users,
                peakUsers == 0 ? PEAK * users : peakUsers,
                rate,
                tenants,
                promptTokens,
                longPromptTokens,
                maxTokens,
                timeout);
    }

    List<Limit> limits() {
        return limits.stream().map(Limit::parse).toList();
    }

    boolean mayRefuse() {
        return mayRefuse;
    }
}
