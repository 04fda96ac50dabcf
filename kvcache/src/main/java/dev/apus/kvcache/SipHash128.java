package dev.apus.kvcache;

/**
 * SipHash-2-4 with 128 bits of output over 64-bit words (Aumasson and Bernstein, 2012): a keyed hash that nobody without the key can
 * make collide, so that tenants cannot aim at each other's cache entries. Holds one state; not thread-safe.
 */
final class SipHash128 {
    private final long k0;
    private final long k1;
    private long v0;
    private long v1;
    private long v2;
    private long v3;
    private int words;
    private long hi;
    private long lo;

    SipHash128(long k0, long k1) {
        this.k0 = k0;
        this.k1 = k1;
        begin();
    }

    /** Forgets what was added. */
    void begin() {
        v0 = k0 ^ 0x736f6d6570736575L;
        v1 = k1 ^ 0x646f72616e646f6dL ^ 0xee;
        v2 = k0 ^ 0x6c7967656e657261L;
        v3 = k1 ^ 0x7465646279746573L;
        words = 0;
    }

    /** Adds eight bytes, little-endian. */
    void add(long word) {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
        words++;
    }

    /** Computes {@link #hi} and {@link #lo}; {@link #begin} must come before the next {@link #add}. */
    void finish() {
        long last = ((long) words * 8) << 56;
        add(last);
        v2 ^= 0xee;
        finalRounds();
        lo = v0 ^ v1 ^ v2 ^ v3;
        v1 ^= 0xdd;
        finalRounds();
        hi = v0 ^ v1 ^ v2 ^ v3;
    }

    /** The last eight bytes of the hash. */
    long hi() {
        return hi;
    }

    /** The first eight bytes of the hash. */
    long lo() {
        return lo;
    }

    private void finalRounds() {
        round();
        round();
        round();
        round();
    }

    private void round() {
        v0 += v1;
        v1 = Long.rotateLeft(v1, 13) ^ v0;
        v0 = Long.rotateLeft(v0, 32);
        v2 += v3;
        v3 = Long.rotateLeft(v3, 16) ^ v2;
        v0 += v3;
        v3 = Long.rotateLeft(v3, 21) ^ v0;
        v2 += v1;
        v1 = Long.rotateLeft(v1, 17) ^ v2;
        v2 = Long.rotateLeft(v2, 32);
    }
}
