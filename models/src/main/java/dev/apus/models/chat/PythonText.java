package dev.apus.models.chat;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;

/** Values as Python prints them: str() and repr(). */
final class PythonText {
    /** From this power of ten on, and below 1e-4, repr(float) uses an exponent. */
    private static final int EXPONENT_FROM = 16;

    private PythonText() {}

    /** str(value), what {@code {{ value }}} prints. */
    static String str(Object value, Budget budget) {
        return switch (value) {
            case String s -> s;
            case Markup m -> m.text();
            case Undefined _ -> "";
            case Long l -> l.toString();
            default -> repr(value, budget);
        };
    }

    static String repr(Object value, Budget budget) {
        StringBuilder out = new StringBuilder();
        repr(value, out, budget);
        budget.text(out.length());
        return out.toString();
    }

    private static void repr(Object value, StringBuilder out, Budget budget) {
        budget.step();
        budget.enter();
        budget.room(out);
        switch (value) {
            case String s -> quote(s, out);
            case Markup m -> {
                out.append("Markup(");
                quote(m.text(), out);
                out.append(')');
            }
            case None _ -> out.append("None");
            case Boolean b -> out.append(b ? "True" : "False");
            case Double d -> out.append(number(d));
            case Undefined _ -> out.append("Undefined");
            case PyRange r -> {
                out.append("range(").append(r.start).append(", ").append(r.stop);
                out.append(r.step == 1 ? ")" : ", " + r.step + ")");
            }
            case Tuple t -> {
                list(t, "(", t.size() == 1 ? ",)" : ")", out, budget);
            }
            case List<?> l -> list(l, "[", "]", out, budget);
            case Map<?, ?> m -> dict(m, out, budget);
            case View v -> {
                out.append(v.type());
                list(v.items(), "([", "])", out, budget);
            }
            case Namespace n -> {
                out.append("<Namespace ");
                dict(n.attributes(), out, budget);
                out.append('>');
            }
            case Generator g -> out.append('<').append(g.type()).append(" object>");
            case Callable c -> out.append(c.describe());
            default -> out.append(value);
        }
        budget.leave();
    }

    private static void list(List<?> items, String open, String close, StringBuilder out, Budget budget) {
        out.append(open);
        String separator = "";
        for (Object item : items) {
            out.append(separator);
            repr(item, out, budget);
            separator = ", ";
        }
        out.append(close);
    }

    private static void dict(Map<?, ?> map, StringBuilder out, Budget budget) {
        out.append('{');
        String separator = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(separator);
            repr(entry.getKey(), out, budget);
            out.append(": ");
            repr(entry.getValue(), out, budget);
            separator = ", ";
        }
        out.append('}');
    }

    static String quote(String s) {
        StringBuilder out = new StringBuilder(s.length() + 2);
        quote(s, out);
        return out.toString();
    }

    private static void quote(String s, StringBuilder out) {
        char quote = s.indexOf('\'') >= 0 && s.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        for (int i = 0; i < s.length(); ) {
            int c = s.codePointAt(i);
            i += Character.charCount(c);
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                default -> {
                    if (c == quote) {
                        out.append('\\').append(quote);
                    } else if (isPrintable(c)) {
                        out.appendCodePoint(c);
                    } else {
                        String form = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
                        out.append(form.formatted(c));
                    }
                }
            }
        }
        out.append(quote);
    }

    /** str.isprintable() of one character: no control, format, unassigned or private one, no separator but the blank. */
    static boolean isPrintable(int c) {
        if (c >= ' ' && c < 127) {
            return true;
        }
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SPACE_SEPARATOR -> false;
            default -> true;
        };
    }

    /** repr(float): the shortest digits that read back, with an exponent where Python writes one. */
    static String number(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        String sign = value < 0 || (value == 0 && 1 / value < 0) ? "-" : "";
        BigDecimal decimal = new BigDecimal(Double.toString(Math.abs(value))).stripTrailingZeros();
        if (decimal.signum() == 0) {
            return sign + "0.0";
        }
        String digits = decimal.unscaledValue().toString();
        int exponent = digits.length() - decimal.scale() - 1;
        if (exponent < -4 || exponent >= EXPONENT_FROM) {
            String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
            String power = Math.abs(exponent) < 10 ? "0" + Math.abs(exponent) : String.valueOf(Math.abs(exponent));
            return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + power;
        }
        String plain = decimal.toPlainString();
        return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
    }

    /** The name of a value's Python type. */
    static String typeName(Object value) {
        return switch (value) {
            case String _ -> "str";
            case Markup _ -> "Markup";
            case None _ -> "NoneType";
            case Boolean _ -> "bool";
            case Long _, BigInteger _ -> "int";
            case Double _ -> "float";
            case Tuple _ -> "tuple";
            case PyRange _ -> "range";
            case List<?> _ -> "list";
            case Map<?, ?> _ -> "dict";
            case Undefined _ -> "Undefined";
            case Namespace _ -> "Namespace";
            case View v -> v.type();
            case Generator g -> g.type();
            case Loop _ -> "LoopContext";
            case Macro _ -> "Macro";
            case Callable _ -> "function";
            default -> value.getClass().getSimpleName();
        };
    }
}
