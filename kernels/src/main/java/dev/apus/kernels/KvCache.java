package dev.apus.kernels;

/** The storage behind block tables: {@code blocks} blocks of {@link KvLayout#blockSize} tokens in a backend's memory. */
public interface KvCache {
    KvLayout layout();

    /** Number of blocks; block ids in a {@link StepBatch} are below it. */
    int blocks();

    /** Bytes of it that are in memory by now: the host hands out pages when they are first written. */
    long residentBytes();
}
