package dev.apus.kvcache;

import java.security.SecureRandom;

/**
 * Makes the keys under which full blocks are shared. Two sequences share a block only if everything that its keys and values depend on
 * is equal: all tokens up to its end, the adapter, the media behind placeholder tokens, the rotation of positions, and the tenant's salt. Not thread-safe.
 */
public final class BlockHasher {
    private final int blockSize;
    private final SipHash128 sip;

    /** Hashes with the key {@code (k0, k1)}; equal keys give equal hashes, which engines need that share blocks with each other. */
    public BlockHasher(int blockSize, long k0, long k1) {
        if (blockSize < 1) {
            throw new IllegalArgumentException("block size is " + blockSize + ", must be 1 or more");
        }
        this.blockSize = blockSize;
        this.sip = new SipHash128(k0, k1);
    }

    /** Hashes with a key of this process that nobody outside can know. */
    public static BlockHasher withRandomKey(int blockSize) {
        SecureRandom random = new SecureRandom();
        return new BlockHasher(blockSize, random.nextLong(), random.nextLong());
    }

    /**
     * An empty chain.
     *
     * @param adapterId the adapter that computes the sequence, 0 for none
     * @param mediaHash hash of the images or audio in the prompt, 0 for none
     * @param rotation which of a model's sets of rotary angles turns the keys, 0 where there is one
     * @param salt the tenant's salt; empty shares with all without one
     */
    public BlockHashes chain(int adapterId, long mediaHash, int rotation, String salt) {
        sip.begin();
        sip.add(adapterId);
        sip.add(mediaHash);
        sip.add(rotation);
        for (int i = 0; i < salt.length(); i++) {
            sip.add(salt.charAt(i));
        }
        sip.finish();
        return new BlockHashes(this, sip.hi(), sip.lo());
    }

    /** Tokens of a block. */
    public int blockSize() {
        return blockSize;
    }

    /** Hashes block {@code block} of {@code tokens} after its parent; the result is in {@link #hi} and {@link #lo}. */
    void hash(long parentHi, long parentLo, int[] tokens, int block) {
        sip.begin();
        sip.add(parentHi);
        sip.add(parentLo);
        int end = (block + 1) * blockSize;
        int i = block * blockSize;
        for (; i + 1 < end; i += 2) {
            sip.add(((long) tokens[i + 1] << 32) | (tokens[i] & 0xffffffffL));
        }
        if (i < end) {
            sip.add(tokens[i]);
        }
        sip.finish();
    }

    long hi() {
        return sip.hi();
    }

    long lo() {
        return sip.lo();
    }
}
