package dev.apus.models;

import dev.apus.kernels.Backend;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every recorded model agrees with the reference implementation, whole and chunked, on every device of this run. */
@Tag("gpu")
final class GoldenTest {
    /** Of the issue: float32 on both sides, summed in different orders. */
    private static final float TOLERANCE = 1e-3f;
    /** Of golden/quant/README.md: block formats are exact, only the sums differ. */
    private static final float QUANTISED_TOLERANCE = 2e-4f;

    private static final int MAX_POSITIONS = 160;

    static Path folder(String name) {
        try {
            return Path.of(Objects.requireNonNull(GoldenTest.class.getResource("/golden/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static Stream<Arguments> models() {
        return Stream.of("llama", "llama3-rope", "qwen2", "qwen3", "mistral", "gemma2", "phi3", "qwen3-moe", "gpt2")
                .flatMap(name -> Device.all().stream().map(device -> Arguments.of(name, device)));
    }

    /** The cases of make_goldens.py: one configuration each. */
    static Stream<Arguments> configurations() throws IOException {
        try (Stream<Path> folders = Files.list(folder("tiny"))) {
            return folders.map(folder -> folder.getFileName().toString()).sorted().toList().stream()
                    .flatMap(name -> Device.all().stream().map(device -> Arguments.of(name, device)));
        }
    }

    static Stream<Arguments> ggufFiles() {
        Map<?, ?> files = (Map<?, ?>) new JsonFiles()
                .object(folder("gguf-llama").resolve("golden.json"))
                .get("files");
        return Objects.requireNonNull(files).keySet().stream()
                .flatMap(name -> Device.all().stream().map(device -> Arguments.of(name, device)));
    }

    @ParameterizedTest
    @MethodSource("models")
    void agreesWithTransformers(String name, Device device) {
        Map<String, Object> golden = new JsonFiles().object(folder(name).resolve("golden.json"));
        check(folder(name), GoldenCase.of(golden), device, TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("configurations")
    void agreesForEveryConfiguration(String name, Device device) {
        agreesWithTransformers("tiny/" + name, device);
    }

    /** The files of make_ggufs.py: some of those configurations in llama.cpp's form. */
    static Stream<Arguments> ggufConfigurations() throws IOException {
        try (Stream<Path> files = Files.list(folder("tiny-gguf"))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList().stream()
                    .flatMap(name -> Device.all().stream().map(device -> Arguments.of(name, device)));
        }
    }

    @ParameterizedTest
    @MethodSource("ggufConfigurations")
    void agreesInGgufForm(String file, Device device) {
        Path answers = folder("tiny/" + file.replace(".gguf", "")).resolve("golden.json");
        Map<String, Object> golden = new JsonFiles().object(answers);
        check(folder("tiny-gguf").resolve(file), GoldenCase.of(golden), device, TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("ggufFiles")
    void agreesWithTheDequantisedModel(String file, Device device) {
        Path folder = folder("gguf-llama");
        Map<?, ?> files = (Map<?, ?>) Objects.requireNonNull(
                new JsonFiles().object(folder.resolve("golden.json")).get("files"));
        List<GoldenCase> cases = GoldenCase.of((Map<?, ?>) Objects.requireNonNull(files.get(file)));
        check(folder.resolve(file), cases, device, QUANTISED_TOLERANCE);
    }

    private static void check(Path path, List<GoldenCase> cases, Device device, float tolerance) {
        try (Checkpoint checkpoint = Checkpoint.open(path);
                Backend backend = device.open()) {
            int positions = Math.min(MAX_POSITIONS, checkpoint.config().maxPositions());
            GoldenRun run = new GoldenRun(checkpoint, backend, positions, device, tolerance);
            for (GoldenCase golden : cases) {
                for (int chunk : new int[] {positions, 7, 16}) {
                    run.check(
                            path.getFileName() + ", " + golden.prompt().length + " tokens by " + chunk, golden, chunk);
                }
            }
        }
    }
}
