package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.Kernels;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.WeightSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A BERT-class encoder on one backend: whole sequences in, a hidden state per token out; with a head, logits per sequence too.
 *
 * <p>Layers write their keys and values to the same one-layer cache, for nothing is kept between batches. Weights and workspace belong to the
 * backend and live until it is closed; the checkpoint may be closed once {@link #load} returns. Used by one thread at a time.
 */
public final class Encoder {
    private record Layer(
            Linear qkv,
            Linear attentionOut,
            DecoderLayer.NormWeight attentionNorm,
            Linear up,
            Linear down,
            DecoderLayer.NormWeight outputNorm) {}

    private record Head(Linear dense, Linear out, boolean relu) {}

    private final EncoderConfig config;
    private final Kernels kernels;
    private final Linear words;
    private final Linear positions;
    private final @Nullable Linear types;
    private final DecoderLayer.NormWeight embeddingNorm;
    private final List<Layer> layers = new ArrayList<>();
    private final @Nullable Head head;
    private final KvCache cache;
    private final Tensor x;
    private final Tensor delta;
    private final Tensor qkv;
    private final Tensor attended;
    private final Tensor inner;
    private final Tensor first;
    private final Tensor dense;
    private final Tensor logits;

    private Encoder(EncoderConfig config, EncoderWeights weights, Backend backend, int maxTokens, int maxSequences) {
        this.config = config;
        kernels = backend.kernels();
        words = weights.table("word_embeddings", config.vocabSize());
        positions = weights.table("position_embeddings", config.positionRows());
        types = config.typeRows() == 0 ? null : weights.table("token_type_embeddings", config.typeRows());
        embeddingNorm = weights.embeddingNorm();
        int hidden = config.hidden();
        for (int i = 0; i < config.layers(); i++) {
            layers.add(new Layer(
                    weights.qkv(i),
                    weights.layer(i, weights.names().attentionOut(), hidden, hidden),
                    weights.norm(i, weights.names().attentionNorm()),
                    weights.layer(i, weights.names().up(), config.intermediate(), hidden),
                    weights.layer(i, weights.names().down(), hidden, config.intermediate()),
                    weights.norm(i, weights.names().outputNorm())));
        }
        EncoderConfig.Head classes = config.head();
        int labels = classes == null ? 1 : classes.labels().size();
        head = classes == null
                ? null
                : new Head(
                        weights.headDense(),
                        weights.headOut(labels),
                        weights.names().relu());
        DType type = backend.activationType();
        KvLayout layout = new KvLayout(
                1,
                config.attention().kvHeads(),
                config.attention().headDim(),
                EncoderBatch.BLOCK,
                backend.kvTypes().getFirst());
        cache = backend.kvCache(layout, EncoderBatch.blocks(maxTokens, maxSequences));
        x = backend.allocate(type, maxTokens, hidden);
        delta = backend.allocate(type, maxTokens, hidden);
        qkv = backend.allocate(type, maxTokens, 3L * hidden);
        attended = backend.allocate(type, maxTokens, hidden);
        inner = backend.allocate(type, maxTokens, config.intermediate());
        first = backend.allocate(type, maxSequences, hidden);
        dense = backend.allocate(type, maxSequences, hidden);
        logits = backend.allocate(DType.F32, maxSequences, labels);
    }

    /**
     * Copies the weights to the backend and allocates the workspace.
     *
     * @param maxTokens most tokens of a batch
     * @param maxSequences most sequences of a batch
     * @throws CheckpointException if a tensor is missing or of another shape than the configuration says, or the backend's attention is
     *     causal only
     */
    public static Encoder load(EncoderCheckpoint checkpoint, Backend backend, int maxTokens, int maxSequences) {
        if (!backend.bidirectionalAttention()) {
            throw new CheckpointException(
                    checkpoint.path() + " is an encoder (" + checkpoint.config().architecture()
                            + "), whose attention is bidirectional; the " + backend.name()
                            + " backend has causal attention only: run it on the cpu backend");
        }
        if (maxTokens < 1 || maxSequences < 1) {
            throw new IllegalArgumentException(
                    "maxTokens is " + maxTokens + ", maxSequences " + maxSequences + "; both must be at least 1");
        }
        return new Encoder(checkpoint.config(), checkpoint.encoderWeights(backend), backend, maxTokens, maxSequences);
    }

    /** Bytes of a backend's memory that {@link #load} takes: the weights as F32 at most, activations, one layer's keys and values. */
    public static long bytes(EncoderConfig config, WeightSource weights, int maxTokens, int maxSequences) {
        long perToken = 6L * config.hidden() + config.intermediate();
        long cached = 2L * EncoderBatch.blocks(maxTokens, maxSequences) * EncoderBatch.BLOCK * config.hidden();
        EncoderConfig.Head head = config.head();
        long perSequence =
                2L * config.hidden() + (head == null ? 1 : head.labels().size());
        return weights.byteSize() * 2 + 4 * (maxTokens * perToken + cached + maxSequences * perSequence);
    }

    public EncoderConfig config() {
        return config;
    }

    /** Computes a batch and returns its hidden states {@code [tokens, hidden]}, valid until the next call. */
    public Tensor forward(EncoderBatch batch) {
        int rows = batch.tokens();
        kernels.embed(x, words, batch.tokens, 1);
        kernels.addPositions(x, positions, batch.tokens, config.positionOffset());
        if (types != null) {
            kernels.embed(delta, types, batch.types, 1);
            kernels.add(x, delta, rows);
        }
        norm(embeddingNorm, rows);
        for (Layer layer : layers) {
            kernels.linear(qkv, x, layer.qkv, rows);
            kernels.ropeAndCache(qkv, null, null, config.eps(), null, config.attention(), cache, 0, batch.tokens);
            kernels.attention(attended, qkv, config.attention(), cache, 0, batch.tokens);
            kernels.linearAdd(x, attended, layer.attentionOut, rows);
            norm(layer.attentionNorm, rows);
            kernels.linear(inner, x, layer.up, rows);
            kernels.activation(inner, config.activation(), rows);
            kernels.linearAdd(x, inner, layer.down, rows);
            norm(layer.outputNorm, rows);
        }
        return x;
    }

    /**
     * The head's logits F32 {@code [sequences, labels]} of the batch that {@link #forward} computed last, valid until the next call.
     *
     * @throws IllegalStateException if the model has no head
     */
    public Tensor classify(EncoderBatch batch) {
        if (head == null) {
            throw new IllegalStateException("this " + config.architecture() + " model has no classifier");
        }
        int rows = batch.sequences();
        kernels.gatherLogitRows(first, x, batch.tokens);
        kernels.linear(dense, first, head.dense, rows);
        if (head.relu) {
            kernels.activation(dense, Activation.RELU, rows);
        } else {
            kernels.softCap(dense, 1, rows); // a cap of 1 is tanh
        }
        kernels.linear(logits, dense, head.out, rows);
        return logits;
    }

    private void norm(DecoderLayer.NormWeight norm, int rows) {
        kernels.layerNorm(x, x, norm.weight(), norm.bias(), config.eps(), rows);
    }
}
