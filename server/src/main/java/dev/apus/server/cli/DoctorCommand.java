package dev.apus.server.cli;

import com.sun.management.OperatingSystemMXBean;
import dev.apus.kernels.Backend;
import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import dev.apus.models.DecoderConfig;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.MemoryPlan;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Tells what this machine has, what would run on it, and whether a model fits. */
@Command(
        name = "doctor",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Tell what this machine has, which kernels would be used and why, and whether a model fits.")
final class DoctorCommand implements Callable<Integer> {
    /** Exit status of its own: 1 says that the model was not found or cannot be read. */
    private static final int DOES_NOT_FIT = 3;

    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Option(names = "--no-model", description = "Look at the machine only.")
    private boolean noModel;

    @Option(
            names = "--fetch-cuda",
            description = {
                "First fetch NVIDIA's NVRTC and cuBLASLt, which the CUDA backend needs besides the driver,",
                "from a Maven repository into Apus' cache folder: a download of 2 GB."
            })
    private boolean fetchCuda;

    @Override
    public Integer call() {
        EngineOptions options = UsageException.checked(engine::servingOptions);
        if (fetchCuda && model.offline()) {
            throw new UsageException("--fetch-cuda downloads 2 GB, which --offline forbids; leave one of them out");
        }
        if (fetchCuda) {
            CudaReport.fetch(System.out);
        }
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        row("apus", Version.current());
        row("java", System.getProperty("java.vm.name") + " " + Runtime.version());
        row(
                "system",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch"));
        row("processors", String.valueOf(Runtime.getRuntime().availableProcessors()));
        row(
                "memory",
                gibibytes(system.getTotalMemorySize()) + ", heap up to "
                        + gibibytes(Runtime.getRuntime().maxMemory()));
        try (Backend backend = backend()) {
            row("backend", backend.description());
            CudaReport.print(DoctorCommand::row);
            row("free memory", gibibytes(backend.freeMemory()));
            if (!noModel) {
                return tellModel(backend, options);
            }
        }
        return 0;
    }

    /** What is missing for CUDA is told even where CUDA is demanded, which ends the report. */
    private Backend backend() {
        try {
            return engine.openBackend();
        } catch (UserException e) {
            CudaReport.print(DoctorCommand::row);
            throw e;
        }
    }

    private int tellModel(Backend backend, EngineOptions options) {
        Path path = model.resolve();
        try (Checkpoint checkpoint = options.loadFormat() == EngineOptions.LoadFormat.DUMMY
                ? Checkpoint.openDummy(path)
                : Checkpoint.open(path)) {
            DecoderConfig config = checkpoint.config();
            row("model", checkpoint.name() + ", " + checkpoint.path());
            row(
                    "parameters",
                    String.format(
                            Locale.ROOT,
                            "%,d",
                            Decoder.weightSize(config, checkpoint.weights(), backend)
                                    .parameters()));
            try {
                MemoryPlan plan = MemoryPlan.of(checkpoint, options, backend);
                row("weights", gibibytes(plan.weightBytes()));
                row("activations", gibibytes(plan.workspaceBytes()));
                row(
                        "KV cache",
                        gibibytes(plan.kvBytes()) + ", " + plan.kvBlocks() + " blocks, " + plan.kvTokens() + " tokens");
                row("context", plan.modelLength() + " tokens of " + config.maxPositions());
                row("fits", "yes, " + gibibytes(plan.totalBytes()) + " of " + gibibytes(plan.freeBytes()) + " free");
                return 0;
            } catch (IllegalArgumentException e) {
                row("fits", "no: " + e.getMessage());
                return DOES_NOT_FIT;
            }
        }
    }

    private static void row(String name, String value) {
        System.out.print(Rows.of(name, value));
    }

    private static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f GiB", bytes / (double) (1L << 30));
    }
}
