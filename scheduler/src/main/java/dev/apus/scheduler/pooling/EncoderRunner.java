package dev.apus.scheduler.pooling;

import dev.apus.kernels.Backend;
import dev.apus.kernels.Tensor;
import dev.apus.models.Encoder;
import dev.apus.models.EncoderBatch;
import dev.apus.models.EncoderConfig;
import dev.apus.models.Pooling;
import java.util.ArrayList;
import java.util.List;

/** Runs batches on an encoder. */
public final class EncoderRunner implements PoolingRunner {
    private final Encoder encoder;
    private final Backend backend;
    private final EncoderBatch batch;
    private final Rows rows;
    private final int maxTokens;
    private final int maxSequences;

    /** @param encoder loaded for batches of {@code maxTokens} tokens and {@code maxSequences} sequences */
    public EncoderRunner(Encoder encoder, Backend backend, Pooling pooling, int maxTokens, int maxSequences) {
        this.encoder = encoder;
        this.backend = backend;
        this.maxTokens = maxTokens;
        this.maxSequences = maxSequences;
        batch = new EncoderBatch(maxTokens, maxSequences);
        rows = new Rows(backend, pooling, encoder.config().hidden(), maxTokens);
    }

    @Override
    public int maxTokens() {
        return maxTokens;
    }

    @Override
    public int maxSequences() {
        return maxSequences;
    }

    @Override
    public List<float[][]> run(List<PoolingRequest> requests) {
        batch.clear();
        requests.forEach(request -> batch.add(request.ids(), request.types()));
        Tensor states = encoder.forward(batch);
        EncoderConfig.Head head = encoder.config().head();
        boolean classifies = requests.stream().anyMatch(request -> request.task() == PoolingTask.CLASSIFY);
        Tensor logits = classifies ? encoder.classify(batch) : null;
        List<float[][]> out = new ArrayList<>();
        for (int i = 0; i < requests.size(); i++) {
            PoolingTask task = requests.get(i).task();
            if (task == PoolingTask.CLASSIFY && logits != null && head != null) {
                float[] row = new float[head.labels().size()];
                backend.read(logits, i, 1, row);
                out.add(new float[][] {row});
            } else {
                int first = batch.start(i);
                out.add(rows.of(states, first, batch.start(i + 1) - first, task == PoolingTask.EMBED));
            }
        }
        return out;
    }
}
