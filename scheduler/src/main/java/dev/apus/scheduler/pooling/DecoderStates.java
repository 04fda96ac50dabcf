package dev.apus.scheduler.pooling;

import dev.apus.kernels.Backend;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import dev.apus.models.Decoder;
import dev.apus.models.Pooling;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Runs batches on a decoder that also generates. A sequence is computed whole, so its keys and values are needed for one layer at a time:
 * they lie in a cache of their own of one layer, and the generating sequences' blocks are not touched.
 */
public final class DecoderStates implements PoolingRunner {
    private static final int BLOCK = 16;

    private final Decoder decoder;
    private final Backend backend;
    private final StepBatch batch;
    private final Rows rows;
    private final int maxTokens;
    private final int maxSequences;
    private final int[] table;
    /** Made when it is first needed: many servers only generate. */
    private @Nullable KvCache cache;

    /** @param decoder loaded for steps of {@code maxTokens} tokens */
    public DecoderStates(Decoder decoder, Backend backend, Pooling pooling, int maxTokens, int maxSequences) {
        this.decoder = decoder;
        this.backend = backend;
        this.maxTokens = maxTokens;
        this.maxSequences = maxSequences;
        batch = new StepBatch(maxTokens, maxSequences, BLOCK);
        rows = new Rows(backend, pooling, decoder.config().hidden(), maxTokens);
        table = new int[(maxTokens + BLOCK - 1) / BLOCK];
    }

    @Override
    public int maxTokens() {
        return maxTokens;
    }

    @Override
    public int maxSequences() {
        return maxSequences;
    }

    private KvCache cache() {
        KvCache made = cache;
        if (made == null) {
            KvLayout all = decoder.kvLayout(BLOCK, backend.kvTypes().getFirst());
            KvLayout one = new KvLayout(1, all.kvHeads(), all.headDim(), BLOCK, all.dtype());
            made = backend.kvCache(one, maxTokens / BLOCK + maxSequences);
            cache = made;
        }
        return made;
    }

    @Override
    public List<float[][]> run(List<PoolingRequest> requests) {
        batch.clear();
        int blocks = 0;
        for (PoolingRequest request : requests) {
            int length = request.ids().length;
            int count = (length + BLOCK - 1) / BLOCK;
            for (int b = 0; b < count; b++) {
                table[b] = blocks + b;
            }
            blocks += count;
            batch.addSequence(request.ids(), 0, length, table, count, length, decoder.ropeOffset(length));
        }
        Tensor states = decoder.states(batch, cache());
        List<float[][]> out = new ArrayList<>();
        for (int i = 0; i < requests.size(); i++) {
            int first = batch.queryStart[i];
            boolean pooled = requests.get(i).task() == PoolingTask.EMBED;
            out.add(rows.of(states, first, batch.queryStart[i + 1] - first, pooled));
        }
        return out;
    }
}
