package dev.apus.server.cli;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.bench.BenchRequest;
import dev.apus.server.bench.OfflineBench;
import dev.apus.server.bench.Samples;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A set of requests, all at once. */
@Command(
        name = "throughput",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "How fast an engine of this process answers a set of requests that are all there from the start.")
final class BenchThroughputCommand implements Callable<Integer> {
    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Mixin
    private WorkloadArgs workload = new WorkloadArgs();

    @Option(
            names = "--num-iters",
            paramLabel = "N",
            defaultValue = "1",
            description = "Runs, of which the median counts. Default: ${DEFAULT-VALUE}")
    private int runs;

    @Option(names = "--output-json", paramLabel = "FILE", description = "Writes the figures there too.")
    private @Nullable Path json;

    @Override
    public Integer call() throws InterruptedException {
        Path path = model.resolve();
        // All requests wait from the start.
        EngineOptions options = UsageException.checked(engine::options);
        try (LanguageModel loaded = LanguageModel.open(path, engine.openBackend(), options, model.name())) {
            List<BenchRequest> requests = workload.requests(loaded.served().vocabSize()).stream()
                    .map(request -> request.text() == null
                            ? request
                            : new BenchRequest(
                                    loaded.served().tokenizer().encode(request.text(), true, false),
                                    null,
                                    request.outputTokens()))
                    .toList();
            OfflineBench bench = new OfflineBench(loaded.served().engine());
            bench.run(requests.subList(0, Math.min(8, requests.size())));
            double[] seconds = new double[Math.max(1, runs)];
            for (int i = 0; i < seconds.length; i++) {
                seconds[i] = bench.run(requests).total();
            }
            Figures.print(figures(requests, new Samples(seconds).median()), json);
        }
        return 0;
    }

    private static Map<String, Double> figures(List<BenchRequest> requests, double seconds) {
        long input = requests.stream().mapToLong(r -> r.prompt().length).sum();
        long output = requests.stream().mapToLong(BenchRequest::outputTokens).sum();
        Map<String, Double> figures = new LinkedHashMap<>();
        figures.put("elapsed_s", seconds);
        figures.put("num_requests", (double) requests.size());
        figures.put("total_input_tokens", (double) input);
        figures.put("total_output_tokens", (double) output);
        figures.put("requests_per_second", requests.size() / seconds);
        figures.put("tokens_per_second", (input + output) / seconds);
        figures.put("output_tokens_per_second", output / seconds);
        return figures;
    }
}
