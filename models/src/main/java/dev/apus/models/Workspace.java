package dev.apus.models;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.Tensor;
import org.jspecify.annotations.Nullable;

/** A decoder's activations, of the backend's type and allocated once for the largest step. */
final class Workspace {
    /** The residual stream {@code [tokens, hidden]}. */
    final Tensor x;

    final Tensor normed;
    /** What a block adds to the residual stream. */
    final Tensor delta;

    final Tensor qkv;
    final Tensor attended;
    /** Gate and up values {@code [tokens, 2 * intermediate]}; null without gated dense layers. */
    final @Nullable Tensor wide;
    /** {@code [tokens, intermediate]}; null without dense layers. */
    final @Nullable Tensor inner;
    /** F32 {@code [tokens, experts]}; null without sparse layers. */
    final @Nullable Tensor router;
    /** Null without a shared expert. */
    final @Nullable Shared shared;
    /** Hidden states of the rows that have logits. */
    final Tensor last;

    final Tensor logits;

    Workspace(DecoderConfig config, Backend backend, int maxTokens, int maxLogitRows) {
        DType type = backend.activationType();
        AttentionShape attention = config.attention();
        x = backend.allocate(type, maxTokens, config.hidden());
        normed = backend.allocate(type, maxTokens, config.hidden());
        delta = backend.allocate(type, maxTokens, config.hidden());
        qkv = backend.allocate(type, maxTokens, config.qkvWidth());
        attended = backend.allocate(type, maxTokens, (long) attention.heads() * attention.headDim());
        int intermediate = denseWidth(config);
        boolean gated = config.mlp().gated();
        wide = intermediate > 0 && gated ? backend.allocate(type, maxTokens, 2L * intermediate) : null;
        inner = intermediate > 0 ? backend.allocate(type, maxTokens, intermediate) : null;
        router = config.experts() == null
                ? null
                : backend.allocate(DType.F32, maxTokens, config.experts().experts());
        int expert = config.sharedExpert();
        shared = expert == 0
                ? null
                : new Shared(
                        backend.allocate(type, maxTokens, 2L * expert),
                        backend.allocate(type, maxTokens, expert),
                        backend.allocate(DType.F32, maxTokens, 1));
        last = backend.allocate(type, maxLogitRows, config.hidden());
        logits = backend.allocate(DType.F32, maxLogitRows, config.vocabSize());
    }

    /**
     * Activations of a shared expert.
     *
     * @param wide gate and up values {@code [tokens, 2 * intermediate]}
     * @param inner {@code [tokens, intermediate]}
     * @param gate F32 {@code [tokens, 1]}
     */
    record Shared(Tensor wide, Tensor inner, Tensor gate) {}

    private static int denseWidth(DecoderConfig config) {
        boolean dense = config.layers().stream().anyMatch(layer -> !layer.sparse());
        return dense ? config.mlp().intermediate() : 0;
    }

    /** Bytes that the constructor allocates. */
    static long bytes(DecoderConfig config, DType type, int maxTokens, int maxLogitRows) {
        AttentionShape attention = config.attention();
        long perToken = 3L * config.hidden() + config.qkvWidth() + (long) attention.heads() * attention.headDim();
        perToken += (config.mlp().gated() ? 3L : 1L) * denseWidth(config);
        perToken += 3L * config.sharedExpert();
        long scores = config.experts() == null ? 0 : config.experts().experts();
        scores += config.sharedExpert() == 0 ? 0 : 1;
        return maxTokens * (type.byteSize(perToken) + 4 * scores)
                + maxLogitRows * (type.byteSize(config.hidden()) + 4L * config.vocabSize());
    }
}
