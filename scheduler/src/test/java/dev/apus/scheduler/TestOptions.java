package dev.apus.scheduler;

/** Options for engines that run on no backend. */
final class TestOptions {
    private TestOptions() {}

    /** Those of a CPU. */
    static EngineOptionsBuilder cpu() {
        return new EngineOptionsBuilder(EngineOptions.defaults().withLimitsOf("cpu"));
    }
}
