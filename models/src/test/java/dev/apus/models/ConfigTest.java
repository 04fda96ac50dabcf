package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.loaders.CheckpointException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** config.json in both styles, and values that are refused. */
final class ConfigTest {
    private static Map<String, Object> base(String className) {
        Map<String, Object> values = new HashMap<>();
        values.put("architectures", List.of(className));
        values.put("vocab_size", 100);
        values.put("hidden_size", 64);
        values.put("intermediate_size", 96);
        values.put("num_hidden_layers", 4);
        values.put("num_attention_heads", 4);
        values.put("num_key_value_heads", 2);
        values.put("max_position_embeddings", 512);
        return values;
    }

    private static DecoderConfig read(String className, Object... more) {
        Map<String, Object> values = base(className);
        for (int i = 0; i < more.length; i += 2) {
            values.put((String) more[i], more[i + 1]);
        }
        return ConfigFiles.config(new ConfigReader("config.json", values, Map.of()));
    }

    private static List<Integer> windows(DecoderConfig config) {
        return config.layers().stream()
                .map(layer -> layer.attention().slidingWindow())
                .toList();
    }

    private static List<Integer> ropes(DecoderConfig config) {
        return config.layers().stream().map(DecoderConfig.Layer::rope).toList();
    }

    @Test
    void bothStylesOfRotarySettingsMeanTheSame() {
        Map<String, Object> yarn = Map.of("rope_type", "yarn", "factor", 4.0, "original_max_position_embeddings", 128);
        Map<String, Object> withBase = new HashMap<>(yarn);
        withBase.put("rope_theta", 5000.0);
        Map<String, Object> oldest = new HashMap<>(yarn);
        oldest.put("type", oldest.remove("rope_type"));
        DecoderConfig.Rope expected = new DecoderConfig.Rope(
                16, false, 5000, new RopeScaling.Yarn(4, 32, 1, 128, 1 + 0.1 * Math.log(4), true));
        assertThat(read("LlamaForCausalLM", "rope_theta", 5000, "rope_scaling", yarn)
                        .ropes())
                .containsExactly(expected);
        assertThat(read("LlamaForCausalLM", "rope_theta", 5000, "rope_scaling", oldest)
                        .ropes())
                .containsExactly(expected);
        assertThat(read("LlamaForCausalLM", "rope_parameters", withBase).ropes())
                .containsExactly(expected);
    }

    @Test
    void layersOfTwoKindsHaveRotarySettingsOfTheirOwn() {
        Map<String, Object> perKind = Map.of(
                "sliding_attention", Map.of("rope_type", "default", "rope_theta", 7000.0),
                "full_attention", Map.of("rope_type", "linear", "rope_theta", 9000.0, "factor", 8.0));
        DecoderConfig config = read(
                "Gemma3ForCausalLM",
                "head_dim",
                16,
                "sliding_window",
                32,
                "sliding_window_pattern",
                3,
                "rope_parameters",
                perKind);
        assertThat(config.ropes())
                .containsExactly(
                        new DecoderConfig.Rope(16, false, 9000, new RopeScaling.Linear(8)),
                        new DecoderConfig.Rope(16, false, 7000, new RopeScaling.None()));
        assertThat(windows(config)).containsExactly(32, 32, 0, 32);
        assertThat(ropes(config)).containsExactly(1, 1, 0, 1);
    }

    @Test
    void windowsAreWhereTheFileSaysAndOnlyIfSwitchedOn() {
        Object[] off = {"use_sliding_window", false, "sliding_window", 8, "max_window_layers", 1};
        assertThat(windows(read("Qwen2ForCausalLM", off))).containsOnly(0);
        Object[] on = {"use_sliding_window", true, "sliding_window", 8, "max_window_layers", 3};
        assertThat(windows(read("Qwen2ForCausalLM", on))).containsExactly(0, 0, 0, 8);
        assertThat(windows(read(
                        "Qwen2MoeForCausalLM",
                        "use_sliding_window",
                        true,
                        "sliding_window",
                        8,
                        "max_window_layers",
                        3,
                        "num_experts",
                        4,
                        "num_experts_per_tok",
                        2,
                        "moe_intermediate_size",
                        8,
                        "shared_expert_intermediate_size",
                        8)))
                .containsExactly(8, 0, 8, 0);
        assertThat(windows(read("MistralForCausalLM", "sliding_window", 8))).containsOnly(8);
    }

    @Test
    void layersWithoutRotation() {
        assertThat(ropes(read("SmolLM3ForCausalLM"))).containsExactly(0, 0, 0, -1);
        assertThat(ropes(read("SmolLM3ForCausalLM", "no_rope_layers", List.of(1, 0, 0, 1))))
                .containsExactly(0, -1, -1, 0);
        assertThat(ropes(read("Cohere2ForCausalLM", "sliding_window", 8))).containsExactly(0, 0, 0, -1);
        assertThat(ropes(read("Exaone4ForCausalLM"))).containsOnly(0);
    }

    @Test
    void experts() {
        DecoderConfig config = read(
                "Qwen3MoeForCausalLM",
                "num_experts",
                8,
                "num_experts_per_tok",
                2,
                "moe_intermediate_size",
                8,
                "decoder_sparse_step",
                2,
                "mlp_only_layers",
                List.of(1));
        assertThat(config.layers().stream().map(DecoderConfig.Layer::sparse))
                .containsExactly(false, false, false, true);
        assertThat(Objects.requireNonNull(config.experts()).renormalize()).isFalse();
    }

    static List<Arguments> refused() {
        return List.of(
                Arguments.of("MambaForCausalLM", "", "", "'architectures' is [MambaForCausalLM]"),
                Arguments.of("LlamaForCausalLM", "hidden_act", "xielu", "'hidden_act' is 'xielu'"),
                Arguments.of("LlamaForCausalLM", "num_key_value_heads", 3, "a divisor of num_attention_heads 4"),
                Arguments.of("LlamaForCausalLM", "num_hidden_layers", -1, "'num_hidden_layers' is -1"),
                Arguments.of("LlamaForCausalLM", "hidden_size", 64.5, "'hidden_size' is 64.5"),
                Arguments.of("LlamaForCausalLM", "attention_bias", "yes", "'attention_bias' is 'yes'"),
                Arguments.of("LlamaForCausalLM", "rope_scaling", Map.of("type", "mrope"), "'type' is 'mrope'"),
                Arguments.of("LlamaForCausalLM", "rope_scaling", Map.of("type", "linear"), "'factor' is missing"),
                Arguments.of(
                        "LlamaForCausalLM",
                        "rope_scaling",
                        Map.of("rope_type", "yarn", "factor", 0.5),
                        "'factor' is 0.5"),
                Arguments.of(
                        "Phi3ForCausalLM",
                        "rope_scaling",
                        Map.of("type", "longrope", "short_factor", List.of(1, 2), "long_factor", List.of(1, 2)),
                        "a list of 8 numbers above 0"),
                Arguments.of(
                        "Qwen2ForCausalLM", "layer_types", List.of("full_attention"), "a list of num_hidden_layers 4"),
                Arguments.of(
                        "Qwen2ForCausalLM",
                        "layer_types",
                        List.of("full_attention", "linear_attention", "full_attention", "full_attention"),
                        "full_attention or sliding_attention"),
                Arguments.of("PhiForCausalLM", "qk_layernorm", true, "'qk_layernorm' is true"),
                Arguments.of("CohereForCausalLM", "use_qk_norm", true, "'use_qk_norm' is true"),
                Arguments.of("OlmoForCausalLM", "clip_qkv", 8.0, "'clip_qkv' is 8.0"),
                Arguments.of("Gemma3ForCausalLM", "use_bidirectional_attention", true, "'use_bidirectional_attention'"),
                Arguments.of("HunYuanDenseV1ForCausalLM", "use_cla", true, "'use_cla' is true"),
                Arguments.of(
                        "SmolLM3ForCausalLM",
                        "no_rope_layers",
                        List.of(1, 2, 0, 0),
                        "'no_rope_layers' is [1, 2, 0, 0]"),
                Arguments.of("MiniCPMForCausalLM", "num_experts", 8, "'num_experts' is 8"));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void namesWhatItRefuses(String className, String key, Object value, String message) {
        assertThatThrownBy(() -> read(className, key, value))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("config.json")
                .hasMessageContaining(message);
    }
}
