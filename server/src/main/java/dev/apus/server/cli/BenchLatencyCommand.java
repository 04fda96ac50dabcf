package dev.apus.server.cli;

import dev.apus.kernels.Backend;
import dev.apus.kernels.StepProfile;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.bench.BenchRequest;
import dev.apus.server.bench.OfflineBench;
import dev.apus.server.bench.Samples;
import dev.apus.server.bench.StepReport;
import dev.apus.server.bench.Workload;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** One batch again and again. */
@Command(
        name = "latency",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "How long a fixed batch takes in an engine of this process, and how fast it decodes.")
final class BenchLatencyCommand implements Callable<Integer> {
    /** Three arrays of 8 MiB; ten minutes of steps of half a millisecond. */
    private static final int MOST_STEPS = 1 << 20;

    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Option(
            names = "--input-len",
            paramLabel = "N",
            defaultValue = "32",
            description = "Tokens of each prompt. Default: ${DEFAULT-VALUE}")
    private int input;

    @Option(
            names = "--output-len",
            paramLabel = "N",
            defaultValue = "128",
            description = "Tokens to generate for each. Default: ${DEFAULT-VALUE}")
    private int output;

    @Option(
            names = "--batch-size",
            paramLabel = "N",
            defaultValue = "8",
            description = "Prompts at a time. Default: ${DEFAULT-VALUE}")
    private int batch;

    @Option(
            names = "--num-iters",
            paramLabel = "N",
            defaultValue = "5",
            description = "Measured runs. Default: ${DEFAULT-VALUE}")
    private int runs;

    @Option(
            names = "--num-iters-warmup",
            paramLabel = "N",
            defaultValue = "2",
            description = "Runs before them. Default: ${DEFAULT-VALUE}")
    private int warmUps;

    @Option(names = "--output-json", paramLabel = "FILE", description = "Writes the figures there too.")
    private @Nullable Path json;

    @Option(
            names = "--profile-steps",
            description = "Also: the engine thread's time, the device's and its idle time for each decode step (CUDA).")
    private boolean profileSteps;

    @Override
    public Integer call() throws InterruptedException {
        Path path = model.resolve();
        EngineOptions options = UsageException.checked(engine::options);
        List<OfflineBench.Run> measured = new ArrayList<>();
        AtomicReference<@Nullable StepProfile> profile = new AtomicReference<>();
        try (LanguageModel loaded = LanguageModel.open(path, openBackend(profile), options, model.name())) {
            OfflineBench bench = new OfflineBench(loaded.served().engine());
            for (int i = 0; i < warmUps + runs; i++) {
                StepProfile watched = profile.get();
                if (i == warmUps && watched != null) {
                    watched.resume();
                }
                // Other prompts in each run: the prefix cache must not help.
                List<BenchRequest> workload = Workload.random(
                        batch, input, output, 0, 0, loaded.served().vocabSize(), i);
                OfflineBench.Run run = bench.run(workload);
                if (i >= warmUps) {
                    measured.add(run);
                }
            }
        }
        Map<String, Double> figures = figures(measured);
        StepProfile watched = profile.get();
        if (watched != null) {
            // The engine's thread has ended: all of it can be read.
            figures.putAll(StepReport.figures(watched));
        }
        Figures.print(figures, json);
        return 0;
    }

    private Backend openBackend(AtomicReference<@Nullable StepProfile> profile) {
        Backend backend = engine.openBackend();
        if (profileSteps) {
            StepProfile started = backend.profileSteps(MOST_STEPS);
            if (started == null) {
                String name = backend.name();
                backend.close();
                throw new UserException(
                        "--profile-steps: the " + name
                                + " backend computes a step in the engine's thread, there is nothing to tell apart; it is for cuda");
            }
            profile.set(started);
        }
        return backend;
    }

    private Map<String, Double> figures(List<OfflineBench.Run> measured) {
        Samples totals = new Samples(
                measured.stream().mapToDouble(OfflineBench.Run::total).toArray());
        Samples prompts = new Samples(
                measured.stream().mapToDouble(OfflineBench.Run::firstTokens).toArray());
        Samples rates = new Samples(
                measured.stream().mapToDouble(OfflineBench.Run::decodeRate).toArray());
        Map<String, Double> figures = new LinkedHashMap<>();
        figures.put("avg_latency_s", totals.mean());
        for (int percent : new int[] {10, 50, 90, 99}) {
            figures.put("p" + percent + "_latency_s", totals.percentile(percent));
        }
        figures.put("all_first_tokens_s", prompts.median());
        figures.put("prefill_tok_s", (double) batch * input / prompts.median());
        figures.put("decode_tok_s", rates.median());
        if (rates.median() > 0) {
            figures.put("decode_step_ms", 1000 * batch / rates.median());
        }
        return figures;
    }
}
