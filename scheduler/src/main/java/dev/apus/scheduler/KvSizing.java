package dev.apus.scheduler;

/** How many KV blocks an engine gets. */
public final class KvSizing {
    /**
     * Share of the free memory that the cache may take: activations, the front end and other programs need theirs. A quarter, since on a
     * shared machine others' free memory is counted too, and still several full contexts of the models that a CPU runs.
     */
    private static final double SHARE = 0.25;
    /** Beyond it a CPU cannot make use of more context in reasonable time. */
    private static final long MOST_AUTOMATIC_BYTES = 1L << 30;

    private KvSizing() {}

    /**
     * Blocks of the cache: what the options say, else all that is left of a device's own memory; of the host's memory a quarter of what
     * is free, at most 1 GiB, at most what the largest batch can fill, and at least one sequence of the maximum length where that fits.
     *
     * @param options with limits, see {@link EngineOptions#forBackend}
     * @param blockBytes what a block takes of the device's memory, padding included, see {@link dev.apus.kernels.Backend#kvBlockBytes}
     * @param modelLength most tokens of a sequence
     * @param freeBytes memory that may still be allocated
     * @param dedicated whether that is a device's own
     * @throws IllegalArgumentException if there is no room for a single block
     */
    public static int blocks(
            EngineOptions options, long blockBytes, int modelLength, long freeBytes, boolean dedicated) {
        if (options.numKvBlocks() > 0) {
            return options.numKvBlocks();
        }
        int length = options.maxModelLen() > 0 ? Math.min(options.maxModelLen(), modelLength) : modelLength;
        long perSequence = (length + EngineOptions.BLOCK_SIZE - 1L) / EngineOptions.BLOCK_SIZE;
        long bytes = options.kvCacheMemoryBytes();
        // More than the largest batch fills serves the prefix cache, for which a device's memory has no other use.
        long most = dedicated ? Long.MAX_VALUE : perSequence * options.maxNumSeqs();
        if (bytes == 0 && dedicated) {
            bytes = freeBytes;
        } else if (bytes == 0) {
            bytes = Math.min(MOST_AUTOMATIC_BYTES, (long) (freeBytes * SHARE));
            bytes = Math.max(bytes, Math.min(perSequence * blockBytes, freeBytes / 2));
        }
        long blocks = Math.min(most, bytes / blockBytes);
        if (blocks < 1) {
            throw new IllegalArgumentException("a KV cache of " + bytes + " bytes holds no block: one of "
                    + EngineOptions.BLOCK_SIZE + " tokens takes " + blockBytes
                    + " bytes; set a larger --kv-cache-memory-bytes or free memory");
        }
        return (int) Math.min(Integer.MAX_VALUE / EngineOptions.BLOCK_SIZE, blocks);
    }
}
