package dev.apus.server.cli;

import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.scheduler.MemoryPlan;
import dev.apus.server.bench.EngineBench;
import dev.apus.server.bench.HttpBench;
import dev.apus.server.bench.ResidentMemory;
import dev.apus.server.bench.SoakBench;
import dev.apus.server.bench.StartBench;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.json.JsonMapper;

/** Measures a model on this machine. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Measure decode, prefill and concurrent streams; or soak a server with hostile clients.")
final class BenchCommand implements Callable<Integer> {
    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Option(
            names = "--repeats",
            paramLabel = "N",
            defaultValue = "3",
            description = "Medians of N runs. Default: ${DEFAULT-VALUE}")
    private int repeats;

    @Option(names = "--no-http", description = "Leave out the measurement through HTTP.")
    private boolean noHttp;

    @Option(names = "--json", description = "One JSON object instead of a table.")
    private boolean json;

    @Option(names = "--start", description = "Instead: how long a start takes until it is ready, and its memory.")
    private boolean start;

    @Option(
            names = "--soak",
            paramLabel = "SECONDS",
            description =
                    "Instead: so long of clients that stream, go away, and send what they should not; fails on any leak.")
    private @Nullable Integer soak;

    @Option(
            names = "--clients",
            paramLabel = "N",
            defaultValue = "64",
            description = "Clients of --soak. Default: ${DEFAULT-VALUE}")
    private int clients;

    @Override
    public Integer call() throws InterruptedException, IOException {
        Path path = model.resolve();
        if (start) {
            print(starts(path));
            return 0;
        }
        EngineOptions options = engine.options();
        try (LanguageModel loaded = LanguageModel.open(path, engine.openBackend(), options, model.name())) {
            if (soak != null) {
                return soak(loaded, Duration.ofSeconds(soak));
            }
            print(measure(loaded));
        }
        return 0;
    }

    private void print(Map<String, Double> results) {
        if (json) {
            System.out.println(JsonMapper.shared().writeValueAsString(results));
        } else {
            results.forEach((name, value) -> System.out.printf(Locale.ROOT, "%-28s %10.1f%n", name, value));
        }
    }

    /** Medians. A KV pool that nothing touched is not resident, so only the weights are taken off. */
    private Map<String, Double> starts(Path path) throws InterruptedException, IOException {
        StartBench bench = new StartBench(Main.class.getName(), path);
        List<StartBench.Start> starts = new ArrayList<>();
        for (int i = 0; i < repeats; i++) {
            starts.add(bench.measure());
        }
        Map<String, Double> results = new LinkedHashMap<>();
        results.put("ready ms", median(starts, StartBench.Start::readyMillis));
        results.put("processor time ms", median(starts, StartBench.Start::cpuMillis));
        if (starts.getFirst().readyBytes() > 0) {
            double mebi = 1 << 20;
            long weights;
            try (Checkpoint checkpoint = Checkpoint.open(path)) {
                weights = Decoder.weightBytes(checkpoint.config(), checkpoint.weights());
            }
            results.put("resident, ready MiB", median(starts, StartBench.Start::readyBytes) / mebi);
            results.put("resident, answered MiB", median(starts, StartBench.Start::answeredBytes) / mebi);
            results.put("weights MiB", weights / mebi);
        }
        return results;
    }

    private static double median(List<StartBench.Start> starts, ToLongFunction<StartBench.Start> value) {
        long[] sorted = starts.stream().mapToLong(value).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2.0;
    }

    private Map<String, Double> measure(LanguageModel loaded) throws InterruptedException {
        Map<String, Double> results = new LinkedHashMap<>();
        EngineBench bench =
                new EngineBench(loaded.served().engine(), loaded.served().vocabSize());
        bench.warmUp();
        results.put("decode_1 tok/s", bench.decode(1, 128, 128, repeats));
        for (int length : new int[] {512, 2048}) {
            if (length < loaded.served().maxModelLength()) {
                results.put("prefill_" + length + " tok/s", bench.prefill(length, repeats));
            }
        }
        results.put("streams_4 tok/s", bench.decode(4, 128, 64, repeats));
        results.put("streams_16 tok/s", bench.decode(16, 128, 64, repeats));
        results.put("streams_64 tok/s", bench.decode(64, 64, 32, repeats));
        if (!noHttp) {
            try (HttpServer server = HttpServer.start(
                            loaded.served(), HttpOptions.builder().port(0).build());
                    HttpBench http = new HttpBench(URI.create("http://127.0.0.1:" + server.port()))) {
                http.decode(loaded.served().name(), 16, 128, 32, 1);
                results.put("http_16 tok/s", http.decode(loaded.served().name(), 16, 128, 64, repeats));
                results.put("http_64 tok/s", http.decode(loaded.served().name(), 64, 64, 32, repeats));
            }
        }
        MemoryPlan plan = loaded.memoryPlan();
        if (plan != null && ResidentMemory.anonymousBytes() > 0) {
            long over = ResidentMemory.anonymousBytes() - plan.weightBytes() - plan.kvBytes();
            results.put("memory over weights+KV MiB", over / (double) (1 << 20));
        }
        return results;
    }

    private int soak(LanguageModel loaded, Duration duration) throws InterruptedException {
        try (HttpServer server =
                HttpServer.start(loaded.served(), HttpOptions.builder().port(0).build())) {
            SoakBench.Report report = new SoakBench(
                            loaded.served().engine(), URI.create("http://127.0.0.1:" + server.port()), clients)
                    .run(duration);
            System.out.println(report.text());
            return report.passed() ? 0 : 1;
        }
    }
}
