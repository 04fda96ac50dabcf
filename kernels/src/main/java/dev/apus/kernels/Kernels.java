package dev.apus.kernels;

import org.jspecify.annotations.Nullable;

/**
 * The operations of a decoder, each coarse enough to be one launch. Model code is written once against this interface.
 *
 * <p>Activations are row-major matrices {@code [tokens, features]} of {@link Backend#activationType} allocated for the largest step;
 * {@code rows} says how many rows count. Logits and the router's scores are F32. Accumulation is float32. Shapes are the caller's contract: implementations check them, since a check is free beside a launch.
 *
 * <p>On the CPU results do not depend on the batch: row r of an output has the same bits whatever other rows are computed beside it, and an
 * attention output has the same bits however its prompt was chunked. Greedy text is therefore the same alone, in a batch, after
 * preemption and after a prefix-cache hit.
 */
public interface Kernels {
    /** {@code out[t] = scale * table[ids[t]]} for the batch's tokens; {@code table} is {@code [vocab, hidden]} in any weight format. */
    void embed(Tensor out, Linear table, StepBatch batch, float scale);

    /** {@code x[t] += table[positions[t] + offset]}: learned absolute positions (GPT-2). */
    void addPositions(Tensor x, Linear table, StepBatch batch, int offset);

    /** {@code out = x / sqrt(mean(x^2) + eps) * weight} per row. {@code out} may be {@code x}. */
    void rmsNorm(Tensor out, Tensor x, Tensor weight, float eps, int rows);

    /** {@code residual += delta; out = rmsNorm(residual)}: one pass. */
    void addRmsNorm(Tensor out, Tensor residual, Tensor delta, Tensor weight, float eps, int rows);

    /** {@code out = (x - mean) / sqrt(var + eps) * weight + bias} per row. */
    void layerNorm(Tensor out, Tensor x, Tensor weight, @Nullable Tensor bias, float eps, int rows);

    /**
     * RMS norm of {@code width} columns in place: {@code x[t, from..from+width)}. The norm over all heads of the queries or keys of a fused
     * projection (OLMo 2).
     *
     * @param weight {@code [width]}
     */
    void rmsNormColumns(Tensor x, int from, int width, Tensor weight, float eps, int rows);

    /** {@code x[t] += sigmoid(gate[t, 0]) * delta[t]}: a shared expert behind its gate (Qwen2-MoE). */
    void addGated(Tensor x, Tensor delta, Tensor gate, int rows);

    /** {@code x += delta}. */
    void add(Tensor x, Tensor delta, int rows);

    /** {@code x *= factor}. */
    void scale(Tensor x, float factor, int rows);

    /** {@code x = cap * tanh(x / cap)}. */
    void softCap(Tensor x, float cap, int rows);

    /** {@code out[rows, outFeatures] = x[rows, inFeatures] Wᵀ + bias}. */
    void linear(Tensor out, Tensor x, Linear weight, int rows);

    /** {@code out += x Wᵀ + bias}: a projection that ends in the residual stream. */
    void linearAdd(Tensor out, Tensor x, Linear weight, int rows);

    /**
     * Per-head RMS norms, rotary embedding and KV write in one pass over {@code qkv[tokens, (heads + 2 kvHeads) headDim]}, whose rows
     * are all query heads, then all key heads, then all value heads. Queries are normalised and rotated in place; keys and values go to
     * the batch's slots of {@code cache}.
     *
     * @param qNorm weight {@code [headDim]} of the per-head query norm, before rotation unless the table says otherwise, or null
     * @param kNorm weight {@code [headDim]} of the per-head key norm, or null
     * @param rope angles, or null for models without rotary positions
     */
    void ropeAndCache(
            Tensor qkv,
            @Nullable Tensor qNorm,
            @Nullable Tensor kNorm,
            float eps,
            @Nullable RopeTable rope,
            AttentionShape shape,
            KvCache cache,
            int layer,
            StepBatch batch);

    /**
     * Causal attention of the batch's queries over their sequences' cached keys and values, prompts and single tokens mixed; where the
     * shape is bidirectional, every query sees all keys of its sequence, which the batch must then hold whole.
     *
     * @throws IllegalArgumentException if the shape is bidirectional and {@link Backend#bidirectionalAttention} is false
     * @throws IllegalArgumentException if the shape is bidirectional and the batch holds a part of a sequence only
     * @param out {@code [tokens, heads * headDim]}
     * @param qkv as left by {@link #ropeAndCache}; only the query part is read
     */
    void attention(Tensor out, Tensor qkv, AttentionShape shape, KvCache cache, int layer, StepBatch batch);

    /** {@code out[rows, n] = activation(gateUp[:, :n]) * gateUp[:, n:]}, n = half of gateUp's width. */
    void gatedActivation(Tensor out, Tensor gateUp, Activation activation, int rows);

    /** {@code x = activation(x)}. */
    void activation(Tensor x, Activation activation, int rows);

    /**
     * Routes each row to its experts and sums their weighted outputs.
     *
     * @param out {@code [tokens, hidden]}, overwritten
     * @param x {@code [tokens, hidden]}
     * @param routerLogits {@code [tokens, experts]}
     */
    void moe(Tensor out, Tensor x, Tensor routerLogits, MoeWeights weights, MoeShape shape, int rows);

    /** {@code out[i] = x[batch.logitRows[i]]}: the rows that go on to the logits. */
    void gatherLogitRows(Tensor out, Tensor x, StepBatch batch);

    /**
     * Samples one id per row of {@code logits[*, vocab]}: mask and bias, penalties, temperature, top-k, top-p, min-p, draw, log-probabilities.
     * What the logits hold afterwards is the backend's affair: they may have been worked on in place.
     */
    void sample(Tensor logits, SamplingBatch batch);
}
