package dev.apus.models.tokenizer;

/**
 * Incremental UTF-8 to text. An ill-formed sequence becomes one U+FFFD per maximal subpart (Unicode 3.9, the WHATWG decoder and Rust's
 * {@code from_utf8_lossy}), so the text does not depend on how the bytes are cut. Holds at most three bytes.
 */
final class LossyUtf8 {
    private static final char REPLACEMENT = '\uFFFD';

    private int codePoint;
    private int needed;
    private int low = 0x80;
    private int high = 0xBF;

    /** Appends the text that {@code bytes} complete. */
    void feed(byte[] bytes, StringBuilder out) {
        for (byte b : bytes) {
            feed(b & 0xFF, out);
        }
    }

    private void feed(int b, StringBuilder out) {
        if (needed > 0) {
            if (b >= low && b <= high) {
                low = 0x80;
                high = 0xBF;
                codePoint = (codePoint << 6) | (b & 0x3F);
                if (--needed == 0) {
                    out.appendCodePoint(codePoint);
                }
                return;
            }
            end(out); // the byte may start the next character
        }
        lead(b, out);
    }

    private void lead(int b, StringBuilder out) {
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            needed = 1;
            codePoint = b & 0x1F;
        } else if (b >= 0xE0 && b <= 0xEF) {
            needed = 2;
            codePoint = b & 0x0F;
            low = b == 0xE0 ? 0xA0 : 0x80; // no overlong form
            high = b == 0xED ? 0x9F : 0xBF; // no surrogate
        } else if (b >= 0xF0 && b <= 0xF4) {
            needed = 3;
            codePoint = b & 0x07;
            low = b == 0xF0 ? 0x90 : 0x80;
            high = b == 0xF4 ? 0x8F : 0xBF; // no further than U+10FFFF
        } else {
            out.append(REPLACEMENT);
        }
    }

    /** Ends the input: an incomplete character is one U+FFFD. */
    void end(StringBuilder out) {
        if (needed > 0) {
            out.append(REPLACEMENT);
            needed = 0;
            low = 0x80;
            high = 0xBF;
        }
    }
}
