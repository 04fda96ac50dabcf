package dev.apus.models.chat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Python's json.dumps, which chat templates reach as {@code tojson}. A model learnt its tool calls in exactly this form, so every blank
 * counts.
 */
final class Json {
    private final StringBuilder out = new StringBuilder();
    private final Budget budget;
    private final boolean ascii;
    private final @Nullable String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sortKeys;

    private Json(
            Budget budget,
            boolean ascii,
            @Nullable String indent,
            String itemSeparator,
            String keySeparator,
            boolean sortKeys) {
        this.budget = budget;
        this.ascii = ascii;
        this.indent = indent;
        this.itemSeparator = itemSeparator;
        this.keySeparator = keySeparator;
        this.sortKeys = sortKeys;
    }

    /** The {@code tojson} filter of transformers: {@code tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)}. */
    static String filter(Object value, Arguments arguments, Budget budget) {
        @Nullable Object[] a = arguments.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        String indent = indent(a[1], budget);
        String item = indent == null ? ", " : ",";
        String key = ": ";
        if (a[2] != null && a[2] != None.NONE) {
            if (!(a[2] instanceof List<?> pair)
                    || pair.size() != 2
                    || !(pair.get(0) instanceof String first)
                    || !(pair.get(1) instanceof String second)) {
                throw JinjaError.type("separators must be a pair of strings");
            }
            item = first;
            key = second;
        }
        boolean ascii = a[0] != null && Operators.truth(a[0]);
        boolean sort = a[3] != null && Operators.truth(a[3]);
        Json json = new Json(budget, ascii, indent, item, key, sort);
        json.write(value, 0);
        budget.text(json.out.length());
        return json.out.toString();
    }

    private static @Nullable String indent(@Nullable Object indent, Budget budget) {
        if (indent == null || indent == None.NONE) {
            return null;
        }
        if (indent instanceof String s) {
            return s;
        }
        int width = Math.max(0, Numbers.index(indent));
        budget.text(width);
        return " ".repeat(width);
    }

    private void write(Object value, int depth) {
        budget.step();
        budget.enter();
        budget.room(out);
        switch (value) {
            case String s -> string(s);
            case Markup m -> string(m.text());
            case None _ -> out.append("null");
            case Boolean b -> out.append(b);
            case Long l -> out.append(l.longValue());
            case BigInteger b -> out.append(b);
            case Double d -> out.append(number(d));
            case PyRange _ -> throw unknown(value);
            case List<?> l -> list(l, depth);
            case Map<?, ?> m -> dict(m, depth);
            default -> throw unknown(value);
        }
        budget.leave();
    }

    private static JinjaError unknown(Object value) {
        return JinjaError.type("Object of type " + PythonText.typeName(value) + " is not JSON serializable");
    }

    private static String number(double d) {
        if (Double.isNaN(d)) {
            return "NaN";
        }
        if (Double.isInfinite(d)) {
            return d > 0 ? "Infinity" : "-Infinity";
        }
        return PythonText.number(d);
    }

    private void list(List<?> items, int depth) {
        if (items.isEmpty()) {
            out.append("[]");
            return;
        }
        out.append('[');
        boolean first = true;
        for (Object item : items) {
            between(first, depth + 1);
            write(item, depth + 1);
            first = false;
        }
        close(depth);
        out.append(']');
    }

    private void dict(Map<?, ?> map, int depth) {
        if (map.isEmpty()) {
            out.append("{}");
            return;
        }
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (sortKeys) {
            Operators.sort(entries, Map.Entry::getKey, false, budget);
        }
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : entries) {
            between(first, depth + 1);
            string(key(entry.getKey()));
            out.append(keySeparator);
            write(entry.getValue(), depth + 1);
            first = false;
        }
        close(depth);
        out.append('}');
    }

    private static String key(Object key) {
        return switch (key) {
            case String s -> s;
            case Markup m -> m.text();
            case None _ -> "null";
            case Boolean b -> b.toString();
            case Long l -> l.toString();
            case BigInteger b -> b.toString();
            case Double d -> number(d);
            default ->
                throw JinjaError.type("keys must be str, int, float, bool or None, not " + PythonText.typeName(key));
        };
    }

    private void between(boolean first, int depth) {
        if (!first) {
            out.append(itemSeparator);
        }
        line(depth);
    }

    private void close(int depth) {
        line(depth);
    }

    private void line(int depth) {
        if (indent != null) {
            out.append('\n');
            for (int i = 0; i < depth; i++) {
                out.append(indent);
                budget.room(out);
            }
        }
    }

    private void string(String s) {
        out.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < ' ' || (ascii && c > '~')) {
                        unicode(c);
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }

    private void unicode(char c) {
        out.append("\\u");
        for (int shift = 12; shift >= 0; shift -= 4) {
            out.append(Character.forDigit(c >> shift & 15, 16));
        }
    }
}
