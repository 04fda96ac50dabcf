package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.RopeTable;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.StepSizes;
import dev.apus.kernels.Tensor;
import dev.apus.loaders.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A transformer decoder on one backend, driven by the switches of a {@link DecoderConfig}.
 *
 * <p>Weights and workspace belong to the backend and live until it is closed; the checkpoint may be closed once {@link #load} returns.
 * Used by one thread at a time.
 */
public final class Decoder {
    private final DecoderConfig config;
    private final Kernels kernels;
    private final Linear embedding;
    private final @Nullable Linear positions;
    private final int shortContext;
    private final List<RopeTable> ropes = new ArrayList<>();
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final DecoderLayer.NormWeight finalNorm;
    private final Linear head;
    private final Workspace work;

    private Decoder(DecoderConfig config, WeightLoader loader, Backend backend, Workspace work, int maxPositions) {
        this.config = config;
        this.work = work;
        kernels = backend.kernels();
        embedding = loader.embedding();
        positions = config.learnedPositions() ? loader.positions() : null;
        shortContext = config.shortContext() < maxPositions ? config.shortContext() : 0;
        boolean beforeNorms = config.qkNorm() == DecoderConfig.QkNorm.HEAD_AFTER_ROPE;
        for (DecoderConfig.Rope rope : config.ropes()) {
            ropes.add(upload(backend, rope, beforeNorms, shortContext, maxPositions));
        }
        for (int i = 0; i < config.layers().size(); i++) {
            layers.add(loader.layer(i));
        }
        finalNorm = loader.norm(TensorRole.FINAL_NORM, 0);
        head = config.tiedHead() ? embedding : loader.head();
    }

    /**
     * Copies the weights to the backend and allocates the workspace.
     *
     * @param maxTokens most tokens of a step
     * @param maxLogitRows most rows of logits of a step
     * @param maxPositions most tokens of a sequence, at most {@link DecoderConfig#maxPositions}
     * @throws dev.apus.loaders.CheckpointException if a tensor is missing or of another shape than the configuration says
     * @throws IllegalArgumentException if a size is not positive or {@code maxPositions} is too large
     */
    public static Decoder load(
            DecoderConfig config,
            WeightSource weights,
            Backend backend,
            int maxTokens,
            int maxLogitRows,
            int maxPositions) {
        if (maxTokens < 1 || maxLogitRows < 1) {
            throw new IllegalArgumentException(
                    "maxTokens is " + maxTokens + ", maxLogitRows " + maxLogitRows + "; both must be at least 1");
        }
        if (maxPositions < 1 || maxPositions > config.maxPositions()) {
            throw new IllegalArgumentException("maxPositions is " + maxPositions + "; this " + config.architecture()
                    + " model allows 1 to " + config.maxPositions());
        }
        WeightLoader loader = new WeightLoader(config, weights, backend);
        return new Decoder(
                config, loader, backend, new Workspace(config, backend, maxTokens, maxLogitRows), maxPositions);
    }

    private static RopeTable upload(
            Backend backend, DecoderConfig.Rope rope, boolean beforeNorms, int shortRows, int positions) {
        float[] table = RopeAngles.table(rope, shortRows, positions);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(4L * table.length, 64);
            MemorySegment.copy(table, 0, data, ValueLayout.JAVA_FLOAT, 0, table.length);
            HostTensor host = new HostTensor(DType.F32, new long[] {shortRows + positions, rope.dim()}, data);
            return new RopeTable(backend.upload(host), rope.dim(), rope.interleaved(), beforeNorms);
        }
    }

    /** The KV cache that a model needs, for blocks of {@code blockSize} tokens. */
    public static KvLayout kvLayout(DecoderConfig config, int blockSize, DType dtype) {
        return new KvLayout(
                config.layers().size(),
                config.attention().kvHeads(),
                config.attention().headDim(),
                blockSize,
                dtype);
    }

    /** The KV cache that this model needs. */
    public KvLayout kvLayout(int blockSize, DType dtype) {
        return kvLayout(config, blockSize, dtype);
    }

    /**
     * What {@link #load} would copy to a backend, found by going through the tensors without copying any.
     *
     * @throws dev.apus.loaders.CheckpointException as {@link #load}
     */
    public static WeightSize weightSize(DecoderConfig config, WeightSource weights, Backend backend) {
        WeightCounter counter = new WeightCounter(backend);
        WeightLoader loader = new WeightLoader(config, weights, counter);
        loader.embedding();
        if (config.learnedPositions()) {
            loader.positions();
        }
        for (int i = 0; i < config.layers().size(); i++) {
            loader.layer(i);
        }
        loader.norm(TensorRole.FINAL_NORM, 0);
        if (!config.tiedHead()) {
            loader.head();
        }
        return counter.size();
    }

    /**
     * Size of a model.
     *
     * @param parameters its number of weights, a tied head counted once
     * @param bytes what they take of a backend's memory, what its allocations are rounded up by included
     */
    public record WeightSize(long parameters, long bytes) {}

    /** Bytes that {@link #load} allocates for activations of type {@code type} and F32 logits. */
    public static long workspaceBytes(DecoderConfig config, DType type, int maxTokens, int maxLogitRows) {
        return Workspace.bytes(config, type, maxTokens, maxLogitRows);
    }

    /** What {@link Backend#stepBytes} needs to know of a model that is loaded for such steps and sequences of up to {@code length} tokens. */
    public static StepSizes stepSizes(DecoderConfig config, int tokens, int sequences, int logitRows, int length) {
        int sparse = (int)
                config.layers().stream().filter(DecoderConfig.Layer::sparse).count();
        return new StepSizes(
                tokens,
                sequences,
                logitRows,
                length,
                config.vocabSize(),
                config.hidden(),
                config.layers().stream()
                        .map(DecoderConfig.Layer::attention)
                        .distinct()
                        .toList(),
                sparse == 0 ? null : config.experts(),
                sparse);
    }

    /** Bytes of the rotary tables that {@link #load} makes for sequences of up to {@code maxPositions} tokens. */
    public static long ropeBytes(DecoderConfig config, int maxPositions) {
        long rows = maxPositions + (config.shortContext() < maxPositions ? config.shortContext() : 0L);
        return config.ropes().stream().mapToLong(rope -> 4 * rows * rope.dim()).sum();
    }

    public DecoderConfig config() {
        return config;
    }

    /** Width of the logits. */
    public int vocabSize() {
        return config.vocabSize();
    }

    /**
     * What {@link StepBatch#addSequence(int[], int, int, int[], int, int, int)} needs as {@code ropeOffset} for a sequence of
     * {@code length} known tokens, computed or not.
     *
     * <p>0 for every length but with LongRoPE, whose factors depend on the length as in transformers: a sequence that grows beyond the
     * original length gets another offset, and its keys, which were rotated by the short factors, must be computed anew from its first
     * token on. Keys of sequences with different offsets must not be shared.
     */
    public int ropeOffset(int length) {
        return shortContext > 0 && length > shortContext ? shortContext : 0;
    }

    /** Computes a step and returns logits F32 {@code [logit rows, vocab]}, valid until the next call. */
    public Tensor forward(StepBatch batch, KvCache cache) {
        int rows = batch.tokens();
        embed(batch);
        for (int i = 0; i < layers.size(); i++) {
            layer(i, i, batch, cache, rows);
        }
        int logitRows = batch.logitRowCount();
        if (logitRows > 0) {
            kernels.gatherLogitRows(work.last, work.x, batch);
            norm(work.last, work.last, finalNorm, logitRows);
            kernels.linear(work.logits, work.last, head, logitRows);
            if (config.scalars().logits() != 1) {
                kernels.scale(work.logits, config.scalars().logits(), logitRows);
            }
            if (config.scalars().finalSoftCap() != 0) {
                kernels.softCap(work.logits, config.scalars().finalSoftCap(), logitRows);
            }
        }
        return work.logits;
    }

    private void embed(StepBatch batch) {
        kernels.embed(work.x, embedding, batch, config.scalars().embedding());
        if (positions != null) {
            kernels.addPositions(work.x, positions, batch, 0);
        }
    }

    /**
     * Computes whole sequences and returns the hidden states {@code [tokens, hidden]} of all their tokens behind the final norm, valid until
     * the next call.
     *
     * @param batch sequences from their first token to their last
     * @param cache of one layer, in which each layer's keys and values replace those of the one before
     */
    public Tensor states(StepBatch batch, KvCache cache) {
        int rows = batch.tokens();
        embed(batch);
        for (int i = 0; i < layers.size(); i++) {
            layer(i, 0, batch, cache, rows);
        }
        norm(work.normed, work.x, finalNorm, rows);
        return work.normed;
    }

    /** @param cached the layer of the cache that holds this one's keys and values */
    private void layer(int index, int cached, StepBatch batch, KvCache cache, int rows) {
        DecoderLayer layer = layers.get(index);
        DecoderConfig.Layer spec = config.layers().get(index);
        RopeTable rope = spec.rope() < 0 ? null : ropes.get(spec.rope());
        kernels.linear(work.qkv, normed(layer.attentionNorm(), rows), layer.qkv(), rows);
        boolean together = config.qkNorm() == DecoderConfig.QkNorm.ALL_HEADS;
        if (together) {
            normAllHeads(layer, rows);
        }
        kernels.ropeAndCache(
                work.qkv,
                together ? null : layer.queryNorm(),
                together ? null : layer.keyNorm(),
                config.norm().eps(),
                rope,
                spec.attention(),
                cache,
                cached,
                batch);
        kernels.attention(work.attended, work.qkv, spec.attention(), cache, cached, batch);
        Tensor in = work.normed; // the one norm of PARALLEL, unless something else follows
        if (config.placement() == DecoderConfig.Placement.PARALLEL_TWO_NORMS) { // of x as it was before the attention
            in = normed(layer.mlpNorm(), rows);
        }
        addProjected(work.attended, layer.attentionOut(), layer.postAttentionNorm(), rows);
        if (!config.placement().parallel()) {
            in = normed(layer.mlpNorm(), rows);
        }
        if (spec.sparse()) {
            sparse(in, layer, rows);
        } else {
            dense(in, layer, rows);
        }
    }

    /** The normalised residual stream, or the stream itself where no norm stands in front. */
    private Tensor normed(DecoderLayer.@Nullable NormWeight norm, int rows) {
        if (norm == null) {
            return work.x;
        }
        norm(work.normed, work.x, norm, rows);
        return work.normed;
    }

    private void normAllHeads(DecoderLayer layer, int rows) {
        AttentionShape shape = config.attention();
        int queries = shape.heads() * shape.headDim();
        int keys = shape.kvHeads() * shape.headDim();
        float eps = config.norm().eps();
        kernels.rmsNormColumns(work.qkv, 0, queries, Objects.requireNonNull(layer.queryNorm()), eps, rows);
        kernels.rmsNormColumns(work.qkv, queries, keys, Objects.requireNonNull(layer.keyNorm()), eps, rows);
    }

    private void dense(Tensor in, DecoderLayer layer, int rows) {
        Linear up = Objects.requireNonNull(layer.up());
        Tensor inner = Objects.requireNonNull(work.inner);
        if (config.mlp().gated()) {
            Tensor wide = Objects.requireNonNull(work.wide);
            kernels.linear(wide, in, up, rows);
            kernels.gatedActivation(inner, wide, config.mlp().activation(), rows);
        } else {
            kernels.linear(inner, in, up, rows);
            kernels.activation(inner, config.mlp().activation(), rows);
        }
        addProjected(inner, Objects.requireNonNull(layer.down()), layer.postMlpNorm(), rows);
    }

    private void sparse(Tensor in, DecoderLayer layer, int rows) {
        Tensor router = Objects.requireNonNull(work.router);
        MoeShape shape = Objects.requireNonNull(config.experts());
        kernels.linear(router, in, Objects.requireNonNull(layer.router()), rows);
        DecoderLayer.SharedExpert shared = layer.shared();
        if (shared != null) {
            shared(in, shared, shape.activation(), rows);
        }
        kernels.moe(work.delta, in, router, Objects.requireNonNull(layer.experts()), shape, rows);
        addDelta(layer.postMlpNorm(), rows);
    }

    /** Adds what the shared expert makes of {@code in}, which must not be the residual stream itself. */
    private void shared(Tensor in, DecoderLayer.SharedExpert expert, Activation activation, int rows) {
        Workspace.Shared space = Objects.requireNonNull(work.shared);
        kernels.linear(space.gate(), in, expert.gate(), rows);
        kernels.linear(space.wide(), in, expert.up(), rows);
        kernels.gatedActivation(space.inner(), space.wide(), activation, rows);
        kernels.linear(work.delta, space.inner(), expert.down(), rows);
        kernels.addGated(work.x, work.delta, space.gate(), rows);
    }

    /** {@code x += residual * norm(from Wᵀ)}. */
    private void addProjected(Tensor from, Linear weight, DecoderLayer.@Nullable NormWeight postNorm, int rows) {
        if (postNorm == null && config.scalars().residual() == 1) {
            kernels.linearAdd(work.x, from, weight, rows);
        } else {
            kernels.linear(work.delta, from, weight, rows);
            addDelta(postNorm, rows);
        }
    }

    private void addDelta(DecoderLayer.@Nullable NormWeight postNorm, int rows) {
        if (postNorm != null) {
            norm(work.delta, work.delta, postNorm, rows);
        }
        if (config.scalars().residual() != 1) {
            kernels.scale(work.delta, config.scalars().residual(), rows);
        }
        kernels.add(work.x, work.delta, rows);
    }

    private void norm(Tensor out, Tensor x, DecoderLayer.NormWeight norm, int rows) {
        if (config.norm().layerNorm()) {
            kernels.layerNorm(out, x, norm.weight(), norm.bias(), config.norm().eps(), rows);
        } else {
            kernels.rmsNorm(out, x, norm.weight(), config.norm().eps(), rows);
        }
    }
}
