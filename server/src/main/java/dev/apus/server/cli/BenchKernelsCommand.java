package dev.apus.server.cli;

import dev.apus.kernels.cuda.CudaKernelBench;
import dev.apus.kernels.cuda.CudaSupport;
import dev.apus.kernels.cuda.KernelShapes;
import dev.apus.kernels.cuda.KernelTime;
import dev.apus.kernels.cuda.Yardsticks;
import dev.apus.models.Checkpoint;
import dev.apus.models.DecoderConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;

/** Every CUDA kernel by itself. */
@Command(
        name = "kernels",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "How fast each CUDA kernel is at a model's shapes, beside what the GPU can do at best.")
final class BenchKernelsCommand implements Callable<Integer> {
    private static final double TERA = 1e12;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "FOLDER",
            description = "A folder with a config.json, which alone is read. Default: the shapes of Qwen3-8B")
    private @Nullable Path folder;

    @Option(
            names = "--batch",
            paramLabel = "N",
            split = ",",
            defaultValue = "1,16,64,256",
            description = "Sequences that decode a token each. Default: ${DEFAULT-VALUE}")
    private List<Integer> batches = List.of();

    @Option(
            names = "--context",
            paramLabel = "N",
            defaultValue = "1024",
            description =
                    "Tokens of each sequence, and of the prompt that is computed at once. Default: ${DEFAULT-VALUE}")
    private int context;

    @Option(names = "--output-json", paramLabel = "FILE", description = "Writes the figures there too.")
    private @Nullable Path json;

    private final List<Map<String, Object>> rows = new ArrayList<>();

    @Override
    public Integer call() {
        if (context < 1 || batches.stream().anyMatch(n -> n < 1)) {
            throw new UserException("--batch " + batches + " and --context " + context + " must be 1 or more");
        }
        KernelShapes shapes = folder == null ? KernelShapes.qwen3() : shapes(folder);
        String obstacle = CudaSupport.obstacle();
        if (obstacle != null) {
            throw new UserException("bench kernels times the CUDA kernels, for which a GPU is needed: " + obstacle);
        }
        try (CudaKernelBench bench = CudaKernelBench.open(shapes)) {
            Yardsticks best = bench.yardsticks();
            System.out.printf(Locale.ROOT, "%s, %s, bf16%n", best.device(), shapes.name());
            System.out.printf(
                    Locale.ROOT, "copy of %d MiB: %.2f TB/s%n", best.copyBytes() >> 20, best.copyRate() / TERA);
            System.out.printf(
                    Locale.ROOT,
                    "product of 8192 x 8192 x 8192 (%s): %.0f TFLOP/s at first, %.0f over 3 s%n",
                    best.product(),
                    best.firstOperations() / TERA,
                    best.sustainedOperations() / TERA);
            if (shapes.denseLayers() < shapes.layers()) {
                System.out.printf(
                        Locale.ROOT, "not timed: the experts of %d layers%n", shapes.layers() - shapes.denseLayers());
            }
            for (int batch : batches) {
                System.out.printf(Locale.ROOT, "%ndecode, %d sequences of %d tokens%n", batch, context);
                sum(best, each -> bench.decode(batch, context, each));
            }
            System.out.printf(Locale.ROOT, "%nprefill, a prompt of %d tokens%n", context);
            sum(best, each -> bench.prefill(context, each));
            write(best, shapes);
        }
        return 0;
    }

    /** What the shapes of a model's kernels are. */
    static KernelShapes shapes(Path folder) {
        try (Checkpoint checkpoint = Checkpoint.openDummy(folder)) {
            DecoderConfig config = checkpoint.config();
            Path name = folder.toAbsolutePath().normalize().getFileName();
            return new KernelShapes(
                    name == null ? folder.toString() : name.toString(),
                    config.layers().size(),
                    (int) config.layers().stream().filter(l -> !l.sparse()).count(),
                    config.hidden(),
                    config.mlp().intermediate(),
                    config.mlp().gated(),
                    config.mlp().activation(),
                    config.norm().layerNorm(),
                    config.attention(),
                    config.qkNorm() == DecoderConfig.QkNorm.HEAD
                            || config.qkNorm() == DecoderConfig.QkNorm.HEAD_AFTER_ROPE,
                    config.ropes().isEmpty() ? 0 : config.ropes().getFirst().dim(),
                    config.vocabSize());
        }
    }

    private interface Part {
        void run(Consumer<KernelTime> each);
    }

    /** Prints the kernels of a step as they are measured, then what they take together. */
    private void sum(Yardsticks best, Part part) {
        System.out.printf(
                Locale.ROOT,
                "%-32s %9s %9s %6s %6s %8s %6s%n",
                "kernel",
                "a step",
                "us",
                "TB/s",
                "copy",
                "TFLOP/s",
                "GEMM");
        double[] total = {0};
        part.run(time -> {
            total[0] += time.perStep() * time.seconds();
            row(best, time);
        });
        System.out.printf(Locale.ROOT, "%-32s %9s %9.1f%n", "all together, of a step", "", total[0] * 1e6);
    }

    private void row(Yardsticks best, KernelTime time) {
        String operations = time.operations() == 0
                ? ""
                : String.format(
                        Locale.ROOT,
                        " %8.1f %5.0f%%",
                        time.operationRate() / TERA,
                        100 * time.operationRate() / best.sustainedOperations());
        System.out.printf(
                Locale.ROOT,
                "%-32s %9s %9.2f %6.2f %5.0f%%%s%n",
                time.kernel(),
                time.perStep() == 0 ? "-" : "x " + time.perStep(),
                time.seconds() * 1e6,
                time.rate() / TERA,
                100 * time.rate() / best.copyRate(),
                operations);
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("kernel", time.kernel());
        row.put("rows", time.rows());
        row.put("context", time.context());
        row.put("per_step", time.perStep());
        row.put("us", time.seconds() * 1e6);
        row.put("tb_per_s", time.rate() / TERA);
        row.put("tflop_per_s", time.operationRate() / TERA);
        rows.add(row);
    }

    private void write(Yardsticks best, KernelShapes shapes) {
        if (json == null) {
            return;
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("device", best.device());
        all.put("model", shapes.name());
        all.put("copy_tb_per_s", best.copyRate() / TERA);
        all.put("gemm", best.product());
        all.put("gemm_first_tflop_per_s", best.firstOperations() / TERA);
        all.put("gemm_sustained_tflop_per_s", best.sustainedOperations() / TERA);
        all.put("kernels", rows);
        try {
            Files.writeString(json, JsonMapper.shared().writeValueAsString(all) + "\n");
        } catch (IOException e) {
            throw new UserException("--output-json " + json + " cannot be written: " + e.getMessage(), e);
        }
    }
}
