package dev.apus.models.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * GPT-2's alphabet of 256 printable characters, one per byte, in which byte-level vocabularies are written: printable Latin-1 stands for
 * itself, the other 68 bytes are moved to U+0100 and up.
 */
final class ByteAlphabet {
    private static final int FIRST_MOVED = 256;
    private static final char[] CHARS = chars();
    private static final short[] BYTES = bytes();

    private ByteAlphabet() {}

    /** The character of a byte, 0 to 255. */
    static char character(int value) {
        return CHARS[value];
    }

    /** Bytes in the alphabet. */
    static String write(byte[] bytes) {
        char[] text = new char[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            text[i] = CHARS[bytes[i] & 0xFF];
        }
        return new String(text);
    }

    /** The bytes of a token: a token with a character outside the alphabet (an added token) stands for its own UTF-8, as in Hugging Face. */
    static byte[] read(String token) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = token.charAt(i);
            short value = c < BYTES.length ? BYTES[c] : -1;
            if (value < 0) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) value;
        }
        return bytes;
    }

    private static boolean printable(int b) {
        return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
    }

    private static char[] chars() {
        char[] chars = new char[256];
        int moved = FIRST_MOVED;
        for (int b = 0; b < 256; b++) {
            chars[b] = (char) (printable(b) ? b : moved++);
        }
        return chars;
    }

    private static short[] bytes() {
        int highest = 0;
        for (char c : CHARS) {
            highest = Math.max(highest, c);
        }
        short[] bytes = new short[highest + 1];
        Arrays.fill(bytes, (short) -1);
        for (int b = 0; b < 256; b++) {
            bytes[CHARS[b]] = (short) b;
        }
        return bytes;
    }
}
