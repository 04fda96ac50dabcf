package dev.apus.scheduler;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The seeds of requests that bring none: a sequence that {@link EngineOptions#seed} fixes, so that a server started anew with the same seed
 * draws the same for the same requests in the same order. Thread-safe.
 */
public final class Seeds {
    /** 2^64 over the golden ratio: steps of it are spread evenly, and so are sequences of bases that lie side by side. */
    private static final long STEP = 0x9e3779b97f4a7c15L;

    private final AtomicLong state;

    /** @param base any number */
    public Seeds(long base) {
        // Mixed, else base 1 would be base 0 one number later for some other step.
        state = new AtomicLong(mixed(base));
    }

    /** The next seed. */
    public long next() {
        return mixed(state.addAndGet(STEP));
    }

    /** SplitMix64's finaliser (Steele, Lea and Flood, 2014): every bit of the argument moves about half of the result's. */
    private static long mixed(long value) {
        long z = (value ^ (value >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }
}
