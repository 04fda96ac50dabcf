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

    private byte[] bytes = new byte[256];
    private int length;

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
        if (length + more > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, length + more));
        }
    }
}
