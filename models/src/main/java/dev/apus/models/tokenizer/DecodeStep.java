package dev.apus.models.tokenizer;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * One step of a {@code tokenizer.json} decoder, as data. Steps turn a list of token strings into another; {@link DecodePlan} chains them.
 */
sealed interface DecodeStep {
    /** The string a token becomes in the middle of a text, before any byte-wise step. */
    default String middle(String token) {
        return token;
    }

    /** Bytes written in GPT-2's alphabet; makes one string of all tokens. */
    record ByteLevel() implements DecodeStep {}

    /** {@code <0xNN>} tokens are bytes: a run of them is text if it is UTF-8 as a whole, else one U+FFFD per token. */
    record ByteFallback() implements DecodeStep {
        /** The byte of a token, or -1. */
        static int value(String token) {
            if (token.length() != 6 || !token.startsWith("<0x") || token.charAt(5) != '>') {
                return -1;
            }
            // Rust's from_str_radix takes a plus sign before a digit
            int high = token.charAt(3) == '+' ? 0 : Character.digit(token.charAt(3), 16);
            int low = Character.digit(token.charAt(4), 16);
            return high < 0 || low < 0 || token.charAt(3) > 127 || token.charAt(4) > 127 ? -1 : (high << 4) | low;
        }
    }

    /** Makes one string of all tokens. */
    record Fuse() implements DecodeStep {}

    /** Removes up to {@code start} leading and {@code stop} trailing {@code content} characters of each string. */
    record Strip(int content, int start, int stop) implements DecodeStep {
        String apply(String token) {
            int from = 0;
            for (int i = 0; i < start && from < token.length() && token.codePointAt(from) == content; i++) {
                from += Character.charCount(content);
            }
            int to = token.length();
            for (int i = 0; i < stop && to > from && token.codePointBefore(to) == content; i++) {
                to -= Character.charCount(content);
            }
            return token.substring(from, to);
        }
    }

    /** Replaces every {@code pattern} by {@code content}. */
    record Replace(String pattern, String content) implements DecodeStep {
        @Override
        public String middle(String token) {
            return token.contains(pattern) ? token.replace(pattern, content) : token;
        }
    }

    /** {@code replacement} (▁) is a space; at the sequence's start it is nothing where encoding has prepended one. */
    record Metaspace(String replacement, boolean prepended) implements DecodeStep {
        @Override
        public String middle(String token) {
            return token.contains(replacement) ? token.replace(replacement, " ") : token;
        }
    }

    /** Words are joined by spaces unless a token starts with {@code prefix} (##). */
    record WordPiece(String prefix, boolean cleanup) implements DecodeStep {
        @Override
        public String middle(String token) {
            return tidy(token.startsWith(prefix) ? token.substring(prefix.length()) : " " + token);
        }

        String tidy(String token) {
            if (!cleanup) {
                return token;
            }
            return token.replace(" .", ".")
                    .replace(" ?", "?")
                    .replace(" !", "!")
                    .replace(" ,", ",")
                    .replace(" ' ", "'")
                    .replace(" n't", "n't")
                    .replace(" 'm", "'m")
                    .replace(" do not", " don't")
                    .replace(" 's", "'s")
                    .replace(" 've", "'ve")
                    .replace(" 're", "'re");
        }
    }

    /** {@code suffix} ends a word: a space, or nothing in the last token. */
    record WordSuffix(String suffix) implements DecodeStep {
        @Override
        public String middle(String token) {
            return token.replace(suffix, " ");
        }
    }

    /** No decoder at all: tokens joined by spaces. */
    record Spaced() implements DecodeStep {
        @Override
        public String middle(String token) {
            return " " + token;
        }
    }

    /** UTF-8 of {@code text}. */
    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** The text of all of {@code bytes}, or null if they are not UTF-8. */
    static @Nullable String strictUtf8(ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes.duplicate()).toString();
        } catch (CharacterCodingException _) {
            return null;
        }
    }
}
