package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Writes JSON as UTF-8 bytes by hand: a token's chunk costs an escape and some array copies. The array grows and is reused. Not
 * thread-safe.
 */
final class JsonOut {
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] NULL = "null".getBytes(StandardCharsets.US_ASCII);
    /** vLLM's stand-in for a log-probability of minus infinity, which JSON cannot hold. */
    private static final float LEAST_LOGPROB = -9999;

    private static final int SLICE = 4096;

    /** Arrays up to this size are not worth counting: every answer has some. */
    private static final int SMALL = 16 << 10;
    /** Some VMs keep a few bytes of the longest array for themselves. */
    private static final int LONGEST = Integer.MAX_VALUE - 8;

    /** Counts the memory that long JSON takes. */
    interface Room {
        /** For what nobody counts. */
        Room ANY = new Room() {
            @Override
            public void grow(long bytes) {}

            @Override
            public void shrink(long bytes) {}
        };

        /** @throws ApiException if there is not so much */
        void grow(long bytes);

        void shrink(long bytes);
    }

    private final Room room;
    private byte[] bytes = new byte[256];
    private int length;

    JsonOut() {
        this(Room.ANY);
    }

    /** @param room is told of the arrays' bytes, and may refuse them */
    JsonOut(Room room) {
        this.room = room;
    }

    /** What counts its memory. */
    Room room() {
        return room;
    }

    int length() {
        return length;
    }

    void clear() {
        length = 0;
    }

    /** Removes what was written after the first {@code newLength} bytes. */
    void truncate(int newLength) {
        length = newLength;
    }

    JsonOut raw(byte[] value) {
        ensure(value.length);
        System.arraycopy(value, 0, bytes, length, value.length);
        length += value.length;
        return this;
    }

    /** ASCII text as it is. */
    JsonOut raw(String ascii) {
        int count = ascii.length();
        ensure(count);
        for (int i = 0; i < count; i++) {
            bytes[length + i] = (byte) ascii.charAt(i);
        }
        length += count;
        return this;
    }

    JsonOut number(long value) {
        if (value >= 0 && value < 10) {
            ensure(1);
            bytes[length++] = (byte) ('0' + value);
            return this;
        }
        return raw(Long.toString(value));
    }

    /** NaN, which stands for none, becomes {@code null}. */
    JsonOut logprob(float value) {
        return Float.isNaN(value) ? raw(NULL) : raw(Float.toString(Math.max(value, LEAST_LOGPROB)));
    }

    JsonOut stringOrNull(@Nullable String value) {
        return value == null ? raw(NULL) : string(value);
    }

    /** A quoted string. */
    JsonOut string(CharSequence value) {
        ensure(1);
        bytes[length++] = '"';
        text(value);
        ensure(1);
        bytes[length++] = '"';
        return this;
    }

    /** The inside of a string: escaped, without quotes; lone surrogates become U+FFFD. */
    JsonOut text(CharSequence value) {
        int count = value.length();
        int start = 0;
        // In slices, because room is made for the worst case; a token's text is one.
        while (count - start > SLICE) {
            boolean splits = Character.isHighSurrogate(value.charAt(start + SLICE - 1));
            int end = start + (splits ? SLICE - 1 : SLICE);
            text(value, start, end);
            start = end;
        }
        text(value, start, count);
        return this;
    }

    private void text(CharSequence value, int start, int end) {
        // The longest forms: 6 bytes for an escaped control character, 3 for a character of the basic plane.
        ensure((end - start) * 6);
        byte[] to = bytes;
        int at = length;
        for (int i = start; i < end; i++) {
            char c = value.charAt(i);
            if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
                to[at++] = (byte) c;
            } else if (c < 0x80) {
                at = escape(to, at, c);
            } else if (c < 0x800) {
                to[at++] = (byte) (0xc0 | c >> 6);
                to[at++] = (byte) (0x80 | (c & 0x3f));
            } else if (Character.isHighSurrogate(c) && i + 1 < end && Character.isLowSurrogate(value.charAt(i + 1))) {
                int point = Character.toCodePoint(c, value.charAt(++i));
                to[at++] = (byte) (0xf0 | point >> 18);
                to[at++] = (byte) (0x80 | (point >> 12 & 0x3f));
                to[at++] = (byte) (0x80 | (point >> 6 & 0x3f));
                to[at++] = (byte) (0x80 | (point & 0x3f));
            } else {
                char safe = Character.isSurrogate(c) ? '\ufffd' : c;
                to[at++] = (byte) (0xe0 | safe >> 12);
                to[at++] = (byte) (0x80 | (safe >> 6 & 0x3f));
                to[at++] = (byte) (0x80 | (safe & 0x3f));
            }
        }
        length = at;
    }

    /** {@code [1,2,3]}. */
    JsonOut numbers(int[] values, int count) {
        raw("[");
        for (int i = 0; i < count; i++) {
            if (i > 0) {
                raw(",");
            }
            number(values[i]);
        }
        return raw("]");
    }

    byte[] toBytes() {
        if (length > SMALL) {
            room.grow(length);
        }
        return Arrays.copyOf(bytes, length);
    }

    void writeTo(ByteBuf to) {
        to.writeBytes(bytes, 0, length);
    }

    private static int escape(byte[] to, int from, char c) {
        int at = from;
        to[at++] = '\\';
        switch (c) {
            case '"', '\\' -> to[at++] = (byte) c;
            case '\n' -> to[at++] = 'n';
            case '\r' -> to[at++] = 'r';
            case '\t' -> to[at++] = 't';
            default -> {
                to[at++] = 'u';
                to[at++] = '0';
                to[at++] = '0';
                to[at++] = HEX[c >> 4];
                to[at++] = HEX[c & 15];
            }
        }
        return at;
    }

    private void ensure(int more) {
        if (length + more > bytes.length || length + more < 0) {
            grow((long) length + more);
        }
    }

    private void grow(long needed) {
        if (needed > LONGEST) {
            throw new ApiException(
                    413,
                    "the answer has more than " + LONGEST
                            + " bytes; ask for fewer log-probabilities, choices or tokens",
                    null,
                    "answer_too_large",
                    0);
        }
        int before = bytes.length;
        int capacity = (int) Math.min(LONGEST, Math.max(needed, 2L * before));
        if (capacity > SMALL) {
            // Both are there while one is copied.
            room.grow(capacity);
        }
        bytes = Arrays.copyOf(bytes, capacity);
        if (before > SMALL) {
            room.shrink(before);
        }
    }
}
