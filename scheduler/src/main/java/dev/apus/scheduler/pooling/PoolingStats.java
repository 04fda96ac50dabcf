package dev.apus.scheduler.pooling;

/**
 * Counters of a pooler at one moment; the first four only grow.
 *
 * @param sequences sequences computed
 * @param tokens their tokens
 * @param batches batches computed
 * @param failures sequences that the model failed on
 * @param waiting sequences queued
 */
public record PoolingStats(long sequences, long tokens, long batches, long failures, int waiting) {}
