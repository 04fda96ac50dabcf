package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is computed of a model's memory before it is loaded is what loading then takes, to the byte. */
class PlannedMemoryTest {
    private static final int TOKENS = 20;
    private static final int LOGIT_ROWS = 3;

    /** A backend that adds up what is asked of it. */
    private static final class Counted {
        long weights;
        long others;
        final Backend backend;

        Counted(Backend counted) {
            backend = (Backend) Proxy.newProxyInstance(
                    Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, (proxy, method, args) -> {
                        try {
                            return add(method.getName(), method.invoke(counted, args));
                        } catch (InvocationTargetException e) {
                            throw e.getCause();
                        }
                    });
        }

        private @Nullable Object add(String method, @Nullable Object result) {
            if (result instanceof Linear linear) {
                weights += linear.byteSize();
            } else if (result instanceof Tensor tensor) {
                long bytes = tensor.dtype().byteSize(tensor.elements());
                if (method.equals("upload")) {
                    weights += bytes; // rotary tables too
                } else {
                    others += bytes;
                }
            }
            return result;
        }
    }

    private static List<Path> models() throws IOException {
        List<Path> models = new ArrayList<>();
        for (String name : List.of("llama", "qwen2", "gemma2", "phi3", "qwen3-moe", "gpt2")) {
            models.add(GoldenTest.folder(name));
        }
        for (String folder : List.of("gguf-llama", "tiny", "tiny-gguf")) {
            try (Stream<Path> files = Files.list(GoldenTest.folder(folder))) {
                files.filter(file -> !file.toString().endsWith(".json")).forEach(models::add);
            }
        }
        return models;
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR"})
    void isExact(Device device) throws IOException {
        List<Path> models = models();
        assertThat(models).hasSizeGreaterThan(20);
        for (Path path : models) {
            try (Checkpoint checkpoint = Checkpoint.open(path);
                    Backend backend = device.open()) {
                DecoderConfig config = checkpoint.config();
                int positions = Math.min(100, config.maxPositions());
                long weights = Decoder.weightSize(config, checkpoint.weights(), backend)
                        .bytes();
                Counted counted = new Counted(backend);
                Decoder.load(config, checkpoint.weights(), counted.backend, TOKENS, LOGIT_ROWS, positions);
                assertThat(counted.weights)
                        .as("weights of %s", path)
                        .isEqualTo(weights + Decoder.ropeBytes(config, positions));
                assertThat(counted.others)
                        .as("activations of %s", path)
                        .isEqualTo(Decoder.workspaceBytes(config, DType.F32, TOKENS, LOGIT_ROWS));
            }
        }
    }
}
