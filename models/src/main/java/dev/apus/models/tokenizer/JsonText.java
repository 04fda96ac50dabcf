package dev.apus.models.tokenizer;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes JSON for the engine: a vocabulary is a hundred thousand short strings, written once at start-up, when a general library's
 * generator spends most of its time on being loaded and interpreted.
 */
final class JsonText {
    private static final String HEX = "0123456789abcdef";

    private final StringBuilder out;

    /** @param capacity characters to expect */
    JsonText(int capacity) {
        out = new StringBuilder(capacity);
    }

    /** Appends punctuation or other text that is JSON already. */
    JsonText raw(String json) {
        out.append(json);
        return this;
    }

    JsonText raw(char json) {
        out.append(json);
        return this;
    }

    JsonText flag(boolean value) {
        out.append(value);
        return this;
    }

    JsonText number(int value) {
        out.append(value);
        return this;
    }

    JsonText string(String text) {
        out.append('"');
        int done = 0;
        int length = text.length();
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            if (c < ' ' || c == '"' || c == '\\') {
                out.append(text, done, i);
                escape(c);
                done = i + 1;
            }
        }
        // nearly every string is clean, and appending a whole one copies memory, a part of one goes by characters
        out.append(done == 0 ? text : text.substring(done)).append('"');
        return this;
    }

    private void escape(char c) {
        out.append('\\');
        if (c >= ' ') {
            out.append(c);
        } else {
            out.append("u00").append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
        }
    }

    /** Writes a value made of maps with string keys, lists, strings, finite numbers, booleans and null. */
    JsonText value(@Nullable Object value) {
        switch (value) {
            case String text -> string(text);
            case Map<?, ?> map -> {
                String separator = "{";
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    raw(separator).string((String) entry.getKey()).raw(':').value(entry.getValue());
                    separator = ",";
                }
                raw(map.isEmpty() ? "{}" : "}");
            }
            case List<?> list -> {
                String separator = "[";
                for (Object element : list) {
                    raw(separator).value(element);
                    separator = ",";
                }
                raw(list.isEmpty() ? "[]" : "]");
            }
            case null, default -> out.append(value);
        }
        return this;
    }

    @Override
    public String toString() {
        return out.toString();
    }
}
