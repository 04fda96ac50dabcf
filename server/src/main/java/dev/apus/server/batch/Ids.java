package dev.apus.server.batch;

import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.concurrent.atomic.AtomicLong;

/** Ids that nobody can guess, and moments that no two things share. Thread-safe. */
final class Ids {
    private static final int BYTES = 16;

    private final SecureRandom random = new SecureRandom();
    private final AtomicLong last = new AtomicLong();

    String next(String prefix) {
        byte[] bytes = new byte[BYTES];
        random.nextBytes(bytes);
        return prefix + HexFormat.of().formatHex(bytes);
    }

    /** Milliseconds since 1970, later than all before, so that things can be listed in their order. */
    long moment() {
        return last.updateAndGet(before -> Math.max(before + 1, System.currentTimeMillis()));
    }

    /** There is something of this moment. */
    void seen(long moment) {
        last.accumulateAndGet(moment, Math::max);
    }
}
