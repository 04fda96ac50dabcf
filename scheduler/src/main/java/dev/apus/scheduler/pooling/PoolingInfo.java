package dev.apus.scheduler.pooling;

import dev.apus.models.EncoderConfig;
import dev.apus.models.PoolingSettings;
import dev.apus.models.tokenizer.SequenceTemplate;
import org.jspecify.annotations.Nullable;

/**
 * What a front end needs to know of a model that pools.
 *
 * @param width values of a vector
 * @param vocabSize ids are below it
 * @param maxTokens most tokens of a sequence
 * @param settings how vectors are made
 * @param template what stands around one text or two; null if the tokenizer adds it
 * @param head the classifier, or null
 */
public record PoolingInfo(
        int width,
        int vocabSize,
        int maxTokens,
        PoolingSettings settings,
        @Nullable SequenceTemplate template,
        EncoderConfig.@Nullable Head head) {
    /** Whether the model gives one number for two texts: a cross-encoder. */
    public boolean scoresPairs() {
        return head != null && head.labels().size() == 1;
    }
}
