package dev.apus.server.auth;

/**
 * A token bucket: holds at most what a minute gives, fills evenly, and may fall below zero, since what an answer will take is not known when
 * it begins; nothing is granted then until the debt is paid. So a minute's worth may come at once, and the mean never exceeds the limit. Not
 * thread-safe.
 */
final class Bucket {
    private static final double NANOS_PER_MINUTE = 60e9;
    private static final double NANOS_PER_SECOND = 1e9;

    /** Units in a minute; 0 means no limit. */
    private long limit;

    private double level;
    private long filledAt;

    /** Fills up to now ({@link System#nanoTime}); a limit that is new or has changed counts from now on. */
    void fill(long newLimit, long now) {
        level = Math.min((double) limit, level + (now - filledAt) * (limit / NANOS_PER_MINUTE));
        filledAt = now;
        if (newLimit != limit) {
            level = limit == 0 ? newLimit : Math.min(level, (double) newLimit);
            limit = newLimit;
        }
    }

    boolean has(long units) {
        return limit == 0 || level >= units;
    }

    void take(long units) {
        if (limit > 0) {
            level -= units;
        }
    }

    void giveBack(long units) {
        level = Math.min((double) limit, level + units);
    }

    long limit() {
        return limit;
    }

    /** Units that there are, at least 0. */
    long remaining() {
        return (long) Math.max(0, Math.floor(level));
    }

    /** Time until there are so many units, 0 if there are. */
    double secondsUntil(long units) {
        return limit == 0 || level >= units ? 0 : (units - level) * (NANOS_PER_MINUTE / NANOS_PER_SECOND / limit);
    }
}
