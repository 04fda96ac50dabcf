package dev.apus.scheduler.pooling;

/** What is wanted of a sequence. */
public enum PoolingTask {
    /** One vector: its hidden states pooled as the model's settings say, not normalised. */
    EMBED,
    /** The hidden state of each token. */
    TOKEN_EMBED,
    /** The logits of the model's classifier. */
    CLASSIFY
}
