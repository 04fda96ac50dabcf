package dev.apus.server.http;

import org.jspecify.annotations.Nullable;

/**
 * A line of a log, field by field, as a JSON object or as logfmt. Whatever a value holds, the line stays one line: control characters and
 * quotes are escaped, and what is long is cut. Not thread-safe.
 */
final class LogLine {
    /** More than any value has that the server itself chose or checked. */
    private static final int MOST_CHARACTERS = 256;

    private static final int NANOS_PER_MICRO = 1000;
    private final JsonOut out = new JsonOut();
    private final boolean json;

    LogLine(boolean json) {
        this.json = json;
    }

    /** Adds a text; a missing one is {@code null} in JSON and left out of logfmt. */
    LogLine text(String name, @Nullable String value) {
        if (value == null) {
            return json ? name(name).rawValue("null") : this;
        }
        String shown = value.length() <= MOST_CHARACTERS ? value : value.substring(0, MOST_CHARACTERS) + "...";
        name(name);
        if (json || !isPlain(shown)) {
            out.string(shown);
        } else {
            out.raw(shown);
        }
        return this;
    }

    LogLine number(String name, long value) {
        name(name);
        out.number(value);
        return this;
    }

    /** Adds a time in milliseconds with three decimals. */
    LogLine millis(String name, long nanos) {
        long micros = Math.max(0, nanos) / NANOS_PER_MICRO;
        String decimals = Long.toString(1000 + micros % 1000);
        name(name);
        out.number(micros / 1000).raw(".").raw(decimals.substring(1));
        return this;
    }

    /** The line with its end. */
    byte[] end() {
        return out.raw(json ? "}\n" : "\n").toBytes();
    }

    private LogLine name(String name) {
        boolean first = out.length() == 0;
        if (json) {
            out.raw(first ? "{\"" : ",\"").raw(name).raw("\":");
        } else {
            out.raw(first ? "" : " ").raw(name).raw("=");
        }
        return this;
    }

    private LogLine rawValue(String value) {
        out.raw(value);
        return this;
    }

    private static boolean isPlain(String value) {
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') {
                return false;
            }
        }
        return !value.isEmpty();
    }
}
