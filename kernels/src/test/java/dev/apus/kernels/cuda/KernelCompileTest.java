package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.cuda.ffi.Nvrtc;
import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * The check of the kernels without a GPU: every source, in all its variants, compiles for all architectures, and hot kernels neither spill
 * registers nor use local memory. Logs are kept below {@code target}, so that only what has changed is compiled again.
 */
class KernelCompileTest {
    private static final Path KEPT = Path.of("target", "kernel-check");

    private static void assumeNvrtc() {
        assumeTrue(
                Nvrtc.library().isPresent(),
                () -> "kernels are not checked, no NVRTC here: "
                        + Nvrtc.library().obstacle());
    }

    /** File names of all kernel sources of the project. */
    private static List<String> sources() throws Exception {
        URL prelude = KernelSource.class.getResource("prelude.cuh");
        assertThat(prelude).isNotNull();
        Path folder = Path.of(URI.create(String.valueOf(prelude))).getParent();
        assertThat(folder).isNotNull();
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".cu"))
                    .sorted()
                    .toList();
        }
    }

    @TestFactory
    Stream<DynamicTest> compiles() throws Exception {
        assumeNvrtc();
        List<DynamicTest> tests = new ArrayList<>();
        for (String source :
                Stream.concat(sources().stream(), Stream.of("probe.cu")).toList()) {
            tests.add(DynamicTest.dynamicTest(source, () -> {
                List<KernelVariants.Variant> variants = KernelVariants.of(source);
                assertThat(variants)
                        .as("%s has no variants: enter it in KernelVariants", source)
                        .isNotEmpty();
                List<String> wrong = variants.parallelStream()
                        .flatMap(variant -> variant.architectures().stream().map(a -> check(variant, a)))
                        .filter(fault -> !fault.isEmpty())
                        .toList();
                assertThat(wrong).isEmpty();
            }));
        }
        return tests.stream();
    }

    /** What is wrong with a variant; empty if nothing is. */
    private static String check(KernelVariants.Variant variant, String architecture) {
        List<PtxasLog.Usage> kernels;
        try {
            kernels = PtxasLog.read(log(variant.source(), architecture));
        } catch (IllegalStateException e) {
            return String.valueOf(e.getMessage());
        } catch (IOException e) {
            return variant.source() + ": " + e;
        }
        if (kernels.isEmpty()) {
            return variant.source() + " for " + architecture + " has no kernels";
        }
        List<PtxasLog.Usage> unclean = kernels.stream()
                .filter(kernel -> variant.hot() && !kernel.isClean())
                .toList();
        return unclean.isEmpty() ? "" : variant.source() + " for " + architecture + " spills: " + unclean;
    }

    private static String log(KernelSource source, String architecture) throws IOException {
        Path kept = KEPT.resolve(source.key(architecture) + "-" + Nvrtc.version() + ".log");
        if (Files.exists(kept)) {
            return Files.readString(kept);
        }
        String log = source.compile(architecture, "--ptxas-options=-v").log();
        Files.createDirectories(KEPT);
        Files.writeString(kept, log);
        return log;
    }

    @Test
    void localMemoryIsSeen() throws Exception {
        assumeNvrtc();
        List<PtxasLog.Usage> kernels = PtxasLog.read(log(new KernelSource("probe.cu", Map.of()), "sm_90a"));
        assertThat(kernels).extracting(PtxasLog.Usage::kernel).containsExactlyInAnyOrder("scale_rows", "local_array");
        for (PtxasLog.Usage kernel : kernels) {
            assertThat(kernel.isClean())
                    .as("%s", kernel)
                    .isEqualTo(kernel.kernel().equals("scale_rows"));
            assertThat(kernel.registers()).isBetween(4, 255);
        }
    }

    @Test
    void spillsAreReadFromTheLog() {
        String log = """
                ptxas info    : 0 bytes gmem
                ptxas info    : Compiling entry function 'a' for 'sm_90a'
                ptxas info    : Function properties for a
                    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
                ptxas info    : Used 40 registers, used 1 barriers, 128 bytes smem
                ptxas info    : Compiling entry function 'b' for 'sm_90a'
                ptxas info    : Function properties for b
                    16 bytes stack frame, 12 bytes spill stores, 20 bytes spill loads
                ptxas info    : Used 255 registers, used 1 barriers
                """;
        assertThat(PtxasLog.read(log))
                .containsExactly(new PtxasLog.Usage("a", 40, 0, 0), new PtxasLog.Usage("b", 255, 16, 32));
    }
}
