package dev.apus.scheduler;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;

/** A transformer of random weights over the real kernels: two layers of attention and a gated MLP. */
final class MiniDecoder {
    static final int VOCAB = 500;
    static final int POSITIONS = 512;
    private static final int LAYERS = 2;
    private static final int HIDDEN = 64;
    private static final int MLP = 96;
    private static final AttentionShape SHAPE = new AttentionShape(4, 2, 16, 0.25f, 0, 0);
    private static final float EPS = 1e-5f;

    private final Random random = new Random(3);
    private final Kernels kernels;
    private final Linear embedding;
    private final Linear head;
    private final Linear[] qkv = new Linear[LAYERS];
    private final Linear[] output = new Linear[LAYERS];
    private final Linear[] gateUp = new Linear[LAYERS];
    private final Linear[] down = new Linear[LAYERS];
    private final Tensor norm;
    private final RopeTable rope;
    private final Tensor x;
    private final Tensor normed;
    private final Tensor projected;
    private final Tensor attended;
    private final Tensor wide;
    private final Tensor inner;
    private final Tensor last;
    private final Tensor logits;

    MiniDecoder(Backend backend, int maxTokens, int maxLogitRows) {
        kernels = backend.kernels();
        try (Arena arena = Arena.ofShared()) {
            embedding = linear(backend, arena, VOCAB, HIDDEN, 1f);
            head = linear(backend, arena, VOCAB, HIDDEN, 1f);
            for (int layer = 0; layer < LAYERS; layer++) {
                qkv[layer] = linear(backend, arena, 128, HIDDEN, 0.3f);
                output[layer] = linear(backend, arena, HIDDEN, HIDDEN, 0.3f);
                gateUp[layer] = linear(backend, arena, 2 * MLP, HIDDEN, 0.2f);
                down[layer] = linear(backend, arena, HIDDEN, MLP, 0.2f);
            }
            float[] ones = new float[HIDDEN];
            java.util.Arrays.fill(ones, 1);
            norm = backend.upload(tensor(arena, ones, HIDDEN));
            float[] angles = new float[POSITIONS * 16];
            for (int p = 0; p < POSITIONS; p++) {
                for (int i = 0; i < 8; i++) {
                    double angle = p * Math.pow(10000, -i / 8.0);
                    angles[p * 16 + i] = (float) Math.cos(angle);
                    angles[p * 16 + 8 + i] = (float) Math.sin(angle);
                }
            }
            rope = new RopeTable(backend.upload(tensor(arena, angles, POSITIONS, 16)), 16, false);
        }
        DType type = backend.activationType();
        x = backend.allocate(type, maxTokens, HIDDEN);
        normed = backend.allocate(type, maxTokens, HIDDEN);
        projected = backend.allocate(type, maxTokens, 128);
        attended = backend.allocate(type, maxTokens, HIDDEN);
        wide = backend.allocate(type, maxTokens, 2L * MLP);
        inner = backend.allocate(type, maxTokens, MLP);
        last = backend.allocate(type, maxLogitRows, HIDDEN);
        logits = backend.allocate(DType.F32, maxLogitRows, VOCAB);
    }

    static KvLayout layout(Backend backend) {
        return new KvLayout(
                LAYERS, 2, 16, EngineOptions.BLOCK_SIZE, backend.kvTypes().getFirst());
    }

    Tensor forward(StepBatch batch, KvCache cache) {
        int rows = batch.tokens();
        kernels.embed(x, embedding, batch, 1);
        for (int layer = 0; layer < LAYERS; layer++) {
            kernels.rmsNorm(normed, x, norm, EPS, rows);
            kernels.linear(projected, normed, qkv[layer], rows);
            kernels.ropeAndCache(projected, null, null, EPS, rope, SHAPE, cache, layer, batch);
            kernels.attention(attended, projected, SHAPE, cache, layer, batch);
            kernels.linearAdd(x, attended, output[layer], rows);
            kernels.rmsNorm(normed, x, norm, EPS, rows);
            kernels.linear(wide, normed, gateUp[layer], rows);
            kernels.gatedActivation(inner, wide, dev.apus.kernels.Activation.SILU, rows);
            kernels.linearAdd(x, inner, down[layer], rows);
        }
        if (batch.logitRowCount() > 0) {
            kernels.gatherLogitRows(last, x, batch);
            kernels.rmsNorm(last, last, norm, EPS, batch.logitRowCount());
            kernels.linear(logits, last, head, batch.logitRowCount());
        }
        return logits;
    }

    private Linear linear(Backend backend, Arena arena, int out, int in, float scale) {
        float[] weights = new float[out * in];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian() * scale;
        }
        return backend.linear(List.of(tensor(arena, weights, out, in)), null);
    }

    private static HostTensor tensor(Arena arena, float[] values, long... shape) {
        MemorySegment data = arena.allocate(4L * values.length, 64);
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 0, values.length);
        return new HostTensor(DType.F32, shape, data);
    }
}
