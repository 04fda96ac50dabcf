package dev.apus.models;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A table from roles to a checkpoint's tensor names, without {@code .weight} and {@code .bias}. {@code {}} stands for the layer, a second
 * one for the expert.
 *
 * @param names by role; a role that is not there does not exist in the architecture
 */
record TensorNames(Map<TensorRole, String> names) {
    TensorNames {
        EnumMap<TensorRole, String> copy = new EnumMap<>(TensorRole.class);
        copy.putAll(names);
        names = Collections.unmodifiableMap(copy);
    }

    /** Llama's names in Hugging Face checkpoints; most architectures use them. */
    static TensorNames llama() {
        EnumMap<TensorRole, String> names = new EnumMap<>(TensorRole.class);
        names.put(TensorRole.EMBEDDING, "model.embed_tokens");
        names.put(TensorRole.FINAL_NORM, "model.norm");
        names.put(TensorRole.HEAD, "lm_head");
        names.put(TensorRole.ATTENTION_NORM, "model.layers.{}.input_layernorm");
        names.put(TensorRole.QUERY, "model.layers.{}.self_attn.q_proj");
        names.put(TensorRole.KEY, "model.layers.{}.self_attn.k_proj");
        names.put(TensorRole.VALUE, "model.layers.{}.self_attn.v_proj");
        names.put(TensorRole.ATTENTION_OUT, "model.layers.{}.self_attn.o_proj");
        names.put(TensorRole.QUERY_NORM, "model.layers.{}.self_attn.q_norm");
        names.put(TensorRole.KEY_NORM, "model.layers.{}.self_attn.k_norm");
        names.put(TensorRole.MLP_NORM, "model.layers.{}.post_attention_layernorm");
        names.put(TensorRole.GATE, "model.layers.{}.mlp.gate_proj");
        names.put(TensorRole.UP, "model.layers.{}.mlp.up_proj");
        names.put(TensorRole.DOWN, "model.layers.{}.mlp.down_proj");
        names.put(TensorRole.ROUTER, "model.layers.{}.mlp.gate");
        names.put(TensorRole.EXPERT_GATE, "model.layers.{}.mlp.experts.{}.gate_proj");
        names.put(TensorRole.EXPERT_UP, "model.layers.{}.mlp.experts.{}.up_proj");
        names.put(TensorRole.EXPERT_DOWN, "model.layers.{}.mlp.experts.{}.down_proj");
        names.put(TensorRole.SHARED_GATE, "model.layers.{}.mlp.shared_expert.gate_proj");
        names.put(TensorRole.SHARED_UP, "model.layers.{}.mlp.shared_expert.up_proj");
        names.put(TensorRole.SHARED_DOWN, "model.layers.{}.mlp.shared_expert.down_proj");
        names.put(TensorRole.SHARED_SWITCH, "model.layers.{}.mlp.shared_expert_gate");
        names.put(TensorRole.EXPERTS_GATE_UP, "model.layers.{}.mlp.experts.gate_up_proj");
        names.put(TensorRole.EXPERTS_DOWN, "model.layers.{}.mlp.experts.down_proj");
        return new TensorNames(names);
    }

    /** What GPT-2 and those that took its names have in common; the first layer of the MLP differs. */
    static TensorNames gpt2() {
        EnumMap<TensorRole, String> names = new EnumMap<>(TensorRole.class);
        names.put(TensorRole.EMBEDDING, "transformer.wte");
        names.put(TensorRole.FINAL_NORM, "transformer.ln_f");
        names.put(TensorRole.HEAD, "lm_head");
        names.put(TensorRole.ATTENTION_NORM, "transformer.h.{}.ln_1");
        names.put(TensorRole.QKV, "transformer.h.{}.attn.c_attn");
        names.put(TensorRole.ATTENTION_OUT, "transformer.h.{}.attn.c_proj");
        names.put(TensorRole.MLP_NORM, "transformer.h.{}.ln_2");
        names.put(TensorRole.DOWN, "transformer.h.{}.mlp.c_proj");
        return new TensorNames(names);
    }

    /**
     * A layer's names in models that were trained with Megatron; what lies outside the layers and {@code dense_h_to_4h}, which is the up
     * projection or gate and up in one, differ.
     *
     * @param layer what comes before them, with {@code {}} for the layer
     * @param attention the attention's name
     */
    static TensorNames megatron(String layer, String attention) {
        EnumMap<TensorRole, String> names = new EnumMap<>(TensorRole.class);
        names.put(TensorRole.ATTENTION_NORM, layer + "input_layernorm");
        names.put(TensorRole.QKV, layer + attention + ".query_key_value");
        names.put(TensorRole.ATTENTION_OUT, layer + attention + ".dense");
        names.put(TensorRole.MLP_NORM, layer + "post_attention_layernorm");
        names.put(TensorRole.DOWN, layer + "mlp.dense_4h_to_h");
        return new TensorNames(names);
    }

    /** ggml's names, the same for every architecture. */
    static TensorNames gguf() {
        EnumMap<TensorRole, String> names = new EnumMap<>(TensorRole.class);
        names.put(TensorRole.EMBEDDING, "token_embd");
        names.put(TensorRole.POSITIONS, "position_embd");
        names.put(TensorRole.FINAL_NORM, "output_norm");
        names.put(TensorRole.HEAD, "output");
        names.put(TensorRole.ATTENTION_NORM, "blk.{}.attn_norm");
        names.put(TensorRole.QKV, "blk.{}.attn_qkv");
        names.put(TensorRole.QUERY, "blk.{}.attn_q");
        names.put(TensorRole.KEY, "blk.{}.attn_k");
        names.put(TensorRole.VALUE, "blk.{}.attn_v");
        names.put(TensorRole.ATTENTION_OUT, "blk.{}.attn_output");
        names.put(TensorRole.QUERY_NORM, "blk.{}.attn_q_norm");
        names.put(TensorRole.KEY_NORM, "blk.{}.attn_k_norm");
        names.put(TensorRole.POST_ATTENTION_NORM, "blk.{}.post_attention_norm");
        names.put(TensorRole.MLP_NORM, "blk.{}.ffn_norm");
        names.put(TensorRole.GATE, "blk.{}.ffn_gate");
        names.put(TensorRole.UP, "blk.{}.ffn_up");
        names.put(TensorRole.DOWN, "blk.{}.ffn_down");
        names.put(TensorRole.POST_MLP_NORM, "blk.{}.post_ffw_norm");
        names.put(TensorRole.ROUTER, "blk.{}.ffn_gate_inp");
        names.put(TensorRole.SHARED_GATE, "blk.{}.ffn_gate_shexp");
        names.put(TensorRole.SHARED_UP, "blk.{}.ffn_up_shexp");
        names.put(TensorRole.SHARED_DOWN, "blk.{}.ffn_down_shexp");
        names.put(TensorRole.SHARED_SWITCH, "blk.{}.ffn_gate_inp_shexp");
        names.put(TensorRole.EXPERTS_GATE, "blk.{}.ffn_gate_exps");
        names.put(TensorRole.EXPERTS_UP, "blk.{}.ffn_up_exps");
        names.put(TensorRole.EXPERTS_DOWN, "blk.{}.ffn_down_exps");
        return new TensorNames(names);
    }

    /** This table with one name changed or added. */
    TensorNames with(TensorRole role, String name) {
        EnumMap<TensorRole, String> copy = new EnumMap<>(names);
        copy.put(role, name);
        return new TensorNames(copy);
    }

    /** Gate and up projections in one. */
    TensorNames withFusedGateUp() {
        return with(TensorRole.GATE_UP, "model.layers.{}.mlp.gate_up_proj");
    }

    /** Norms behind attention and MLP (OLMo 2, EXAONE 4), the first under the name that Llama has for the one before the MLP. */
    TensorNames withNormsBehind() {
        return with(TensorRole.POST_ATTENTION_NORM, "model.layers.{}.post_attention_layernorm")
                .with(TensorRole.POST_MLP_NORM, "model.layers.{}.post_feedforward_layernorm");
    }

    /** The sandwich norms of Gemma 2 and 3: {@code post_attention_layernorm} is behind the attention there, not before the MLP. */
    TensorNames withSandwichNorms() {
        return with(TensorRole.POST_ATTENTION_NORM, "model.layers.{}.post_attention_layernorm")
                .with(TensorRole.MLP_NORM, "model.layers.{}.pre_feedforward_layernorm")
                .with(TensorRole.POST_MLP_NORM, "model.layers.{}.post_feedforward_layernorm");
    }

    /** The name of a role in a layer and of an expert, or null if the architecture has no such tensor. */
    @Nullable
    String name(TensorRole role, int layer, int expert) {
        String template = names.get(role);
        if (template == null) {
            return null;
        }
        int first = template.indexOf("{}");
        if (first < 0) {
            return template;
        }
        int second = template.indexOf("{}", first + 2);
        return second < 0
                ? template.substring(0, first) + layer + template.substring(first + 2)
                : template.substring(0, first)
                        + layer
                        + template.substring(first + 2, second)
                        + expert
                        + template.substring(second + 2);
    }
}
