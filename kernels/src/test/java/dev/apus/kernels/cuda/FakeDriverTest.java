package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The bindings against a stand-in driver in C: struct layouts, types and order of arguments, statuses, ownership. */
class FakeDriverTest {
    @TempDir
    private static Path folder;

    private static List<String> output = List.of();
    private static List<String> calls = List.of();

    @BeforeAll
    static void run() throws Exception {
        NativeCode.library(NativeCode.resource("fake_driver.c"), folder.resolve("libcuda.so.1"));
        Path log = folder.resolve("calls.txt");
        ProcessBuilder java = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx64m",
                "-Dapus.cuda.path=" + folder,
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                FakeDriverRun.class.getName());
        java.environment().put("FAKE_DRIVER_LOG", log.toString());
        Process process = java.redirectErrorStream(true).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(text).isZero();
        output = text.lines().toList();
        calls = Files.readAllLines(log);
    }

    @Test
    void tellsWhatTheDeviceIs() {
        assertThat(output)
                .contains("version 12080", "Fake 7, 132, 90, sm_90a, 91268055040, 5368709120, 52428800, 232448");
        assertThat(output)
                .contains(
                        "driver: runs CUDA 12.8 and older, from " + folder.resolve("libcuda.so.1") + ", true",
                        "device 0: Fake 7, compute capability 9.0, 132 multiprocessors, 85 GiB, true");
        assertThat(calls.getFirst()).isEqualTo("init 0");
    }

    @Test
    void copiesWithTheRightAddressesAndStream() {
        assertThat(calls)
                .containsSubsequence(
                        "alloc 1000",
                        "stream 1",
                        "host 64 0",
                        "upload 7f0000000100 hello 5 1",
                        "download 7f0000000101 3 1",
                        "copy 7f0000000102 7f0000000100 7 1",
                        "fill 7f0000000100 171 9 1",
                        "free host",
                        "destroy stream 1",
                        "free 7f0000000100",
                        "alloc 1");
        assertThat(output).contains("downloaded dddlo", "cannot copy 65 bytes: the host's memory has 64");
    }

    @Test
    void anEventThatIsNotReachedIsNoError() {
        assertThat(output).contains("done false, true", "millis 1.25", "marks 1.25, 1.25");
        assertThat(calls).containsSubsequence("event 0", "record 1 1", "wait 1 1 0", "destroy event 1");
    }

    @Test
    void launchesWithTheDocumentedStructs() {
        assertThat(output).contains("registers 104, local 103, blocks 2");
        assertThat(calls)
                .containsSubsequence(
                        "load CODE",
                        "set 1 8 100000",
                        "launch 1000 20 3, 256 1 1, 100000, stream 1, attributes 1, extra 0",
                        "attribute 6 1 of 72 bytes, config 56",
                        "arguments 7f0000000100 -3 2.50 1099511627776, aligned 1, struct 11 16, 1",
                        "unload 1");
    }

    @Test
    void recordsAndReplaysGraphs() {
        assertThat(calls)
                .containsSubsequence(
                        "capture 1 1",
                        "launch 1 1 1, 32 1 1, 0, stream 1, attributes 1, extra 0",
                        "instantiate 1 0",
                        "upload graph 1 1",
                        "destroy graph 1",
                        "launch graph 1 1",
                        "destroy executable 1",
                        "capture 1 1",
                        "destroy graph 1");
        assertThat(calls.stream().filter("destroy graph 1"::equals)).hasSize(2);
    }

    @Test
    void failuresSayWhatWasWantedAndWhatTheDriverSaid() {
        assertThat(output)
                .anySatisfy(line -> assertThat(line)
                        .startsWith("true cuMemAlloc_v2 failed: CUDA_ERROR_OUT_OF_MEMORY (2): 2,199,023,255,552 bytes"
                                + " wanted, 5,368,709,120 of 91,268,055,040 free on Fake 7; lower"))
                .anySatisfy(line -> assertThat(line)
                        .startsWith("cuModuleLoadData failed: CUDA_ERROR_NO_BINARY_FOR_GPU (209): said the driver;"))
                .contains("cuModuleGetFunction failed: CUDA_ERROR_NOT_FOUND (500): kernel absent; said the driver")
                .anySatisfy(line -> assertThat(line)
                        .startsWith(
                                "cuLaunchKernelEx failed: CUDA_ERROR_INVALID_VALUE (1): kernel kernel with grid 5 x 1 x"
                                        + " 1, 32 threads, 1 bytes of shared memory, 5 arguments"))
                .contains("CUDA device 3 of 1; 0 to 0 are there");
    }

    /** All is refused then, and the device is given back all the same. */
    @Test
    void afterAKernelsFaultTheContextIsReleased() {
        assertThat(output)
                .anySatisfy(line -> assertThat(line)
                        .startsWith("2 more after cuStreamSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
        assertThat(calls).endsWith("release 7");
    }

    @Test
    void closingFreesWhatIsLeftAndGivesTheContextBack() {
        assertThat(calls.getLast()).isEqualTo("release 7");
        assertThat(calls.stream().filter("free 7f0000000100"::equals)).hasSize(2);
    }
}
