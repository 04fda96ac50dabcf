package dev.apus.server.tracing;

import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where a span belongs, as W3C's Trace Context tells it from service to service.
 *
 * @param traceHigh first half of the trace's id
 * @param traceLow second half; the id is not zero
 * @param span the span's id; not zero
 * @param sampled whether the trace is recorded
 * @param state what others passed along for themselves; empty if nothing
 */
public record TraceContext(long traceHigh, long traceLow, long span, boolean sampled, String state) {
    /** Later versions may have more behind the flags. */
    private static final Pattern PARENT =
            Pattern.compile("([0-9a-f]{2})-([0-9a-f]{16})([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?");
    /** As the standard asks for at least; printable ASCII. */
    private static final Pattern STATE = Pattern.compile("[\\x20-\\x7e]{0,512}");

    private static final int HEX = 16;

    /**
     * Reads the header {@code traceparent}.
     *
     * @param state the header {@code tracestate}; left out if it is too long
     * @return null if there is none, or it is none of the standard's
     */
    public static @Nullable TraceContext parse(@Nullable String parent, @Nullable String state) {
        if (parent == null) {
            return null;
        }
        Matcher parts = PARENT.matcher(parent);
        if (!parts.matches()
                || parts.group(1).equals("ff")
                || (parts.group(1).equals("00") && parts.group(6) != null)) {
            return null;
        }
        long high = Long.parseUnsignedLong(parts.group(2), HEX);
        long low = Long.parseUnsignedLong(parts.group(3), HEX);
        long span = Long.parseUnsignedLong(parts.group(4), HEX);
        if ((high | low) == 0 || span == 0) {
            return null;
        }
        boolean sampled = (Integer.parseInt(parts.group(5), HEX) & 1) != 0;
        String passed = state != null && STATE.matcher(state).matches() ? state : "";
        return new TraceContext(high, low, span, sampled, passed);
    }

    /** A new trace. */
    static TraceContext root() {
        return new TraceContext(newId(), newId(), newId(), true, "");
    }

    /** A new span of the same trace. */
    public TraceContext child() {
        return new TraceContext(traceHigh, traceLow, newId(), sampled, state);
    }

    /** The trace's id in 32 hexadecimal digits. */
    public String traceId() {
        return hex(traceHigh) + hex(traceLow);
    }

    private static String hex(long half) {
        String digits = Long.toHexString(half);
        return "0".repeat(HEX - digits.length()) + digits;
    }

    private static long newId() {
        long id;
        do {
            id = ThreadLocalRandom.current().nextLong();
        } while (id == 0);
        return id;
    }
}
