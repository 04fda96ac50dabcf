package dev.apus.models.chat;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Python's {@code text % values}. */
final class PercentFormat {
    private final String format;
    private final Object values;
    private final boolean escape;
    private final Budget budget;
    private final StringBuilder out = new StringBuilder();
    private int position;
    private int used;

    /** @param escape whether texts put in are escaped, as in a marked format */
    PercentFormat(String format, Object values, boolean escape, Budget budget) {
        this.format = format;
        this.values = values;
        this.escape = escape;
        this.budget = budget;
    }

    String format() {
        boolean named = false;
        while (position < format.length()) {
            char c = format.charAt(position++);
            if (c == '%') {
                named |= directive();
            } else {
                out.append(c);
            }
            budget.room(out);
        }
        boolean mapping = values instanceof Map<?, ?> || (values instanceof List<?> && !(values instanceof Tuple));
        int given = values instanceof Tuple t ? t.size() : mapping ? 0 : 1;
        if (!named && used < given) {
            throw JinjaError.type("not all arguments converted during string formatting");
        }
        budget.text(out.length());
        return out.toString();
    }

    /** One directive; tells whether it names its value. */
    private boolean directive() {
        Object value = null;
        if (peek() == '(') {
            value = named();
        }
        StringBuilder flags = new StringBuilder();
        while ("-+ #0".indexOf(peek()) >= 0) {
            flags.append(format.charAt(position++));
        }
        int width = count(flags);
        int precision = -1;
        if (peek() == '.') {
            position++;
            precision = Math.max(0, count(new StringBuilder()));
        }
        while ("hlL".indexOf(peek()) >= 0) {
            position++;
        }
        if (position >= format.length()) {
            throw JinjaError.value("incomplete format");
        }
        char type = format.charAt(position++);
        if (type == '%') {
            out.append('%');
            return value != null;
        }
        pad(
                convert(type, value == null ? next() : value, flags.toString(), precision),
                Math.max(0, width),
                flags.toString(),
                type);
        return value != null;
    }

    private char peek() {
        return position < format.length() ? format.charAt(position) : '\uffff';
    }

    private Object named() {
        int close = format.indexOf(')', position);
        if (close < 0) {
            throw JinjaError.value("incomplete format key");
        }
        if (!(values instanceof Map<?, ?> map)) {
            throw JinjaError.type("format requires a mapping");
        }
        String key = format.substring(position + 1, close);
        position = close + 1;
        Object value = map.get(key);
        if (value == null) {
            throw new JinjaError("KeyError: " + PythonText.quote(key));
        }
        return value;
    }

    private int count(StringBuilder flags) {
        if (peek() == '*') {
            position++;
            int width = Numbers.index(next());
            if (width < 0) {
                flags.append('-');
            }
            return Math.abs(width);
        }
        long number = -1;
        while (peek() >= '0' && peek() <= '9') {
            number = Math.max(0, number) * 10 + format.charAt(position++) - '0';
            if (number > Integer.MAX_VALUE) {
                throw JinjaError.value("width too big");
            }
        }
        return (int) number;
    }

    private Object next() {
        if (values instanceof Tuple t) {
            if (used >= t.size()) {
                throw JinjaError.type("not enough arguments for format string");
            }
            return t.get(used++);
        }
        if (used++ > 0) {
            throw JinjaError.type("not enough arguments for format string");
        }
        return values;
    }

    private String convert(char type, Object value, String flags, int precision) {
        return switch (type) {
            case 's', 'r', 'a' -> {
                String text = type == 's' ? PythonText.str(value, budget) : PythonText.repr(value, budget);
                String cut = precision >= 0 && precision < PythonStrings.length(text)
                        ? text.substring(0, PythonStrings.offset(text, precision))
                        : text;
                yield escape && !(value instanceof Markup) ? Markup.escape(cut) : cut;
            }
            case 'c' -> character(value);
            case 'd', 'i', 'u', 'x', 'X', 'o' -> integer(type, value, flags, precision);
            case 'e', 'E', 'f', 'F', 'g', 'G' -> {
                if (value instanceof Undefined u) {
                    throw u.error();
                }
                double number = Numbers.asDouble(value);
                boolean negative = number < 0 || 1 / number < 0;
                yield sign(negative, flags)
                        + NumberText.magnitude(number, type, precision < 0 ? 6 : precision, flags.contains("#"));
            }
            default -> throw JinjaError.value("unsupported format character '" + type + "'");
        };
    }

    private static String character(Object value) {
        if (value instanceof String s && PythonStrings.length(s) == 1) {
            return s;
        }
        if (value instanceof Long code
                && Character.isValidCodePoint(Math.toIntExact(Math.clamp(code, -1, Integer.MAX_VALUE)))) {
            return Character.toString(Math.toIntExact(code));
        }
        throw JinjaError.type("%c requires int or char");
    }

    private static String integer(char type, Object value, String flags, int precision) {
        Object number = value;
        if (value instanceof Double d && "diu".indexOf(type) >= 0) {
            number = Numbers.truncate(d);
        }
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (!Numbers.isInt(number)) {
            throw JinjaError.type("%" + type + " format: a real number is required, not " + PythonText.typeName(value));
        }
        if (precision > NumberText.MAX_PRECISION) {
            throw JinjaError.value("precision too big: " + precision + ", at most " + NumberText.MAX_PRECISION);
        }
        int radix = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : 10;
        String digits = Numbers.big(number).abs().toString(radix);
        digits = "0".repeat(Math.max(0, precision - digits.length())) + digits;
        String prefix = !flags.contains("#") ? "" : radix == 16 ? "0x" : radix == 8 ? "0o" : "";
        String text = prefix + digits;
        return sign(Numbers.big(number).signum() < 0, flags) + (type == 'X' ? PythonStrings.upper(text) : text);
    }

    private static String sign(boolean negative, String flags) {
        return negative ? "-" : flags.contains("+") ? "+" : flags.contains(" ") ? " " : "";
    }

    private void pad(String text, int width, String flags, char type) {
        int blanks = width - PythonStrings.length(text);
        if (blanks <= 0) {
            out.append(text);
            return;
        }
        budget.text((long) out.length() + width);
        boolean numeric = "sracC".indexOf(type) < 0;
        if (flags.contains("-")) {
            out.append(text).append(" ".repeat(blanks));
        } else if (flags.contains("0") && numeric) {
            int signs = text.startsWith("-") || text.startsWith("+") || text.startsWith(" ") ? 1 : 0;
            out.append(text, 0, signs).append("0".repeat(blanks)).append(text, signs, text.length());
        } else {
            out.append(" ".repeat(blanks)).append(text);
        }
    }

    static Object filter(String text, Arguments a, Budget budget) {
        if (!a.positional().isEmpty() && !a.named().isEmpty()) {
            throw JinjaError.type("can't handle positional and keyword arguments at the same time");
        }
        @Nullable Object values = a.named().isEmpty() ? new Tuple(a.positional()) : a.named();
        return new PercentFormat(text, values, false, budget).format();
    }
}
