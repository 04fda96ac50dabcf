package dev.apus.server.cli;

import dev.apus.kernels.Backend;
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
        description = "Measure decode, prefill and concurrent streams; or soak a server with hostile clients.",
        subcommands = {
            BenchLatencyCommand.class,
            BenchThroughputCommand.class,
            BenchServeCommand.class,
            BenchKernelsCommand.class
        })
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

    @Option(
            names = "--only",
            paramLabel = "GROUP",
            split = ",",
            description = "Measure only these of decode, prefill, streams and http.")
    private List<String> only = List.of();

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
            finish(starts(path));
            return 0;
        }
        EngineOptions options = UsageException.checked(engine::options);
        try (LanguageModel loaded = LanguageModel.open(path, engine.openBackend(), options, model.name())) {
            if (soak != null) {
                return soak(loaded, Duration.ofSeconds(soak));
            }
            finish(measure(loaded));
        }
        return 0;
    }

    /** Medians. A KV pool that nothing touched is not resident, so only the weights are taken off. */
    private Map<String, Double> starts(Path path) throws InterruptedException, IOException {
        StartBench bench = new StartBench(Main.class.getName(), path);
        List<StartBench.Start> starts = new ArrayList<>();
        for (int i = 0; i < repeats; i++) {
            starts.add(bench.measure());
        }
        Map<String, Double> results = new LinkedHashMap<>();
        record(results, "ready ms", median(starts, StartBench.Start::readyMillis));
        record(results, "processor time ms", median(starts, StartBench.Start::cpuMillis));
        if (starts.getFirst().readyBytes() > 0) {
            double mebi = 1 << 20;
            long weights;
            try (Backend backend = engine.openBackend();
                    Checkpoint checkpoint = Checkpoint.open(path)) {
                weights = Decoder.weightSize(checkpoint.config(), checkpoint.weights(), backend)
                        .bytes();
            }
            record(results, "resident, ready MiB", median(starts, StartBench.Start::readyBytes) / mebi);
            record(results, "resident, answered MiB", median(starts, StartBench.Start::answeredBytes) / mebi);
            record(results, "weights MiB", weights / mebi);
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
        if (wanted("decode")) {
            record(results, "decode_1 tok/s", bench.decode(1, 128, 128, repeats));
        }
        for (int length : new int[] {512, 2048}) {
            if (wanted("prefill") && length < loaded.served().maxModelLength()) {
                record(results, "prefill_" + length + " tok/s", bench.prefill(length, repeats));
            }
        }
        if (wanted("streams")) {
            record(results, "streams_4 tok/s", bench.decode(4, 128, 64, repeats));
            record(results, "streams_16 tok/s", bench.decode(16, 128, 64, repeats));
            record(results, "streams_64 tok/s", bench.decode(64, 64, 32, repeats));
        }
        if (wanted("http")) {
            try (HttpServer server = HttpServer.start(
                            loaded.served(), HttpOptions.builder().port(0).build());
                    HttpBench http = new HttpBench(URI.create("http://127.0.0.1:" + server.port()))) {
                http.decode(loaded.served().name(), 16, 128, 32, 1);
                record(results, "http_16 tok/s", http.decode(loaded.served().name(), 16, 128, 64, repeats));
                record(results, "http_64 tok/s", http.decode(loaded.served().name(), 64, 64, 32, repeats));
            }
        }
        MemoryPlan plan = loaded.memoryPlan();
        if (plan != null && ResidentMemory.anonymousBytes() > 0) {
            // Of the KV pool only what was touched is resident.
            long over = ResidentMemory.anonymousBytes() - plan.weightBytes() - loaded.kvResidentBytes();
            record(results, "memory over weights+KV MiB", over / (double) (1 << 20));
        }
        return results;
    }

    private boolean wanted(String group) {
        return only.isEmpty() || only.contains(group);
    }

    /** Keeps a figure and, unless one JSON object is wanted, prints it at once: the whole takes minutes. */
    private void record(Map<String, Double> results, String name, double value) {
        results.put(name, value);
        if (!json) {
            System.out.printf(Locale.ROOT, "%-28s %10.1f%n", name, value);
        }
    }

    /** The rows were printed as they came, if not wanted as one object. */
    private void finish(Map<String, Double> results) {
        if (json) {
            System.out.println(JsonMapper.shared().writeValueAsString(results));
        }
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
