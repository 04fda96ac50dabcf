package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.DType;
import dev.apus.kernels.cuda.ffi.Nvrtc;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelCompilerTest {
    private static final byte[] ELF = {0x7f, 'E', 'L', 'F'};

    @TempDir
    private Path folder;

    @BeforeEach
    void needsNvrtc() {
        assumeTrue(
                Nvrtc.library().isPresent(),
                () -> "no NVRTC here: " + Nvrtc.library().obstacle());
    }

    private KernelCompiler.Cubins cubins(String architecture) {
        return new KernelCompiler.Cubins(architecture, new CubinCache(folder));
    }

    private static KernelSource probe(String... defines) {
        return new KernelSource("probe.cu", KernelContext.defines(DType.BF16, DType.BF16, (Object[]) defines));
    }

    private List<Path> entries() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Test
    void compilesOnceAndThenReads() throws Exception {
        byte[] first;
        try (KernelCompiler.Cubins cubins = cubins("sm_90a")) {
            first = cubins.take(probe());
        }
        assertThat(Arrays.copyOf(first, 4)).isEqualTo(ELF);
        assertThat(entries()).hasSize(1);
        Path entry = entries().getFirst();
        assertThat(entry.getFileName().toString()).matches("[0-9a-f]{64}-" + Nvrtc.version() + "\\.cubin");
        // What lies there is what is used: another text under the same name comes back as it is.
        byte[] other = "not compiled".getBytes(StandardCharsets.US_ASCII);
        new CubinCache(folder).put(probe().key("sm_90a"), Nvrtc.version(), other);
        try (KernelCompiler.Cubins cubins = cubins("sm_90a")) {
            assertThat(cubins.take(probe())).isEqualTo(other);
            Files.write(entry, Arrays.copyOf(Files.readAllBytes(entry), 10));
            assertThat(cubins.take(probe())).isEqualTo(first);
        }
    }

    @Test
    void everyInputHasACodeOfItsOwn() {
        List<String> keys = new ArrayList<>();
        keys.add(probe().key("sm_90a"));
        keys.add(probe().key("sm_80"));
        keys.add(probe("SCALE", "2").key("sm_90a"));
        keys.add(probe("SCALE", "3").key("sm_90a"));
        keys.add(new KernelSource("probe.cu", Map.of("ACT_F32", "1")).key("sm_90a"));
        keys.add(new KernelSource("probe_broken.cu", Map.of()).key("sm_90a"));
        assertThat(keys).doesNotHaveDuplicates();
        assertThat(probe("SCALE", "2", "A", "1")).isEqualTo(probe("A", "1", "SCALE", "2"));
    }

    @Test
    void compilesSeveralAtOnceAndEachOnce() throws Exception {
        try (KernelCompiler.Cubins cubins = cubins("sm_89")) {
            List<CompletableFuture<byte[]>> begun = new ArrayList<>();
            for (int scale = 1; scale <= 4; scale++) {
                begun.add(cubins.begin(probe("SCALE", String.valueOf(scale))));
                assertThat(cubins.begin(probe("SCALE", String.valueOf(scale)))).isSameAs(begun.getLast());
            }
            for (int scale = 1; scale <= 4; scale++) {
                assertThat(cubins.take(probe("SCALE", String.valueOf(scale))))
                        .isEqualTo(begun.get(scale - 1).join());
            }
        }
        assertThat(entries()).hasSize(4);
    }

    @Test
    void errorsNameFileAndLine() throws Exception {
        KernelSource broken = new KernelSource("probe_broken.cu", Map.of());
        try (KernelCompiler.Cubins cubins = cubins("sm_90a")) {
            assertThatThrownBy(() -> cubins.take(broken))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("probe_broken.cu do not compile for sm_90a with NVRTC")
                    .hasMessageContaining("probe_broken.cu(4): error")
                    .hasMessageContaining("not_declared");
            CompletableFuture<byte[]> begun = cubins.begin(broken);
            assertThatThrownBy(() -> cubins.take(broken)).isInstanceOf(IllegalStateException.class);
            assertThat(begun).isCompletedExceptionally();
            assertThatThrownBy(() -> cubins.take(new KernelSource("absent.cu", Map.of())))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("there is no kernel source absent.cu");
            assertThatThrownBy(() -> probe().compile("sm_1"))
                    .hasMessageStartingWith("nvrtcCompileProgram failed: ")
                    .hasMessageContaining("sm_1");
        }
        assertThat(entries()).isEmpty();
    }

    @Test
    void worksWithoutAFolder() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        try (KernelCompiler.Cubins cubins =
                new KernelCompiler.Cubins("sm_80", new CubinCache(file.resolve("kernels")))) {
            assertThat(Arrays.copyOf(cubins.take(probe()), 4)).isEqualTo(ELF);
        }
    }
}
