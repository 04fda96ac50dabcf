package dev.apus.models.chat;

import java.util.Map;

/** Python's {@code text.format(values)} with the common part of its format language: fill, align, sign, 0, width, comma, precision, type. */
final class BraceFormat {
    private final String format;
    private final Arguments values;
    private final Budget budget;
    private final Access access;
    private int automatic;

    BraceFormat(String format, Arguments values, Budget budget, Access access) {
        this.format = format;
        this.values = values;
        this.budget = budget;
        this.access = access;
    }

    /** The argument of format_map as named arguments. */
    static Arguments mapping(Arguments a) {
        if (!(a.only("format_map", 1, 1).getFirst() instanceof Map<?, ?> map)) {
            throw JinjaError.type("format_map() argument must be a mapping");
        }
        Map<String, Object> named = new java.util.LinkedHashMap<>();
        map.forEach((key, value) -> named.put(String.valueOf(key), value));
        return new Arguments(java.util.List.of(), named);
    }

    String format() {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            boolean doubled = i + 1 < format.length() && format.charAt(i + 1) == c;
            if ((c == '{' || c == '}') && doubled) {
                out.append(c);
                i++;
            } else if (c == '}') {
                throw JinjaError.value("Single '}' encountered in format string");
            } else if (c == '{') {
                int close = format.indexOf('}', i);
                if (close < 0 || format.substring(i + 1, close).indexOf('{') >= 0) {
                    throw JinjaError.value("expected '}' before end of string; nested fields are not supported");
                }
                out.append(field(format.substring(i + 1, close)));
                i = close;
            } else {
                out.append(c);
            }
            budget.room(out);
        }
        budget.text(out.length());
        return out.toString();
    }

    private String field(String field) {
        int colon = field.indexOf(':');
        String spec = colon < 0 ? "" : field.substring(colon + 1);
        String name = colon < 0 ? field : field.substring(0, colon);
        int mark = name.indexOf('!');
        String conversion = mark < 0 ? "" : name.substring(mark + 1);
        Object value = lookUp(mark < 0 ? name : name.substring(0, mark));
        Object converted =
                switch (conversion) {
                    case "" -> value;
                    case "s" -> PythonText.str(value, budget);
                    case "r" -> PythonText.repr(value, budget);
                    default -> throw JinjaError.value("Unknown conversion specifier " + conversion);
                };
        return spec.isEmpty() ? PythonText.str(converted, budget) : specified(converted, spec);
    }

    private Object lookUp(String name) {
        int end = 0;
        while (end < name.length() && name.charAt(end) != '.' && name.charAt(end) != '[') {
            end++;
        }
        Object value = argument(name.substring(0, end));
        while (end < name.length()) {
            if (name.charAt(end) == '.') {
                int stop = end + 1;
                while (stop < name.length() && name.charAt(stop) != '.' && name.charAt(stop) != '[') {
                    stop++;
                }
                value = access.attribute(value, name.substring(end + 1, stop));
                end = stop;
            } else {
                int stop = name.indexOf(']', end);
                if (name.charAt(end) != '[' || stop < 0) {
                    throw JinjaError.value("Missing ']' in format string");
                }
                value = access.item(
                        value, Filters.path(name.substring(end + 1, stop)).getFirst());
                end = stop + 1;
            }
        }
        return value;
    }

    private Object argument(String name) {
        boolean number = name.chars().allMatch(c -> c >= '0' && c <= '9');
        if (!number) {
            Object value = values.named().get(name);
            if (value == null) {
                throw new JinjaError("KeyError: " + PythonText.quote(name));
            }
            return value;
        }
        int index = name.isEmpty() ? automatic++ : name.length() > 6 ? Integer.MAX_VALUE : Integer.parseInt(name);
        if (index >= values.positional().size()) {
            throw new JinjaError("IndexError: Replacement index " + index + " out of range for positional args tuple");
        }
        return values.positional().get(index);
    }

    private String specified(Object value, String spec) {
        Spec s = Spec.parse(spec);
        boolean numeric = Numbers.isNumber(value) && !(value instanceof Boolean && s.type == 0);
        String text = numeric ? number(value, s) : text(value, s);
        int blanks = s.width - PythonStrings.length(text);
        if (blanks <= 0) {
            return text;
        }
        budget.text(s.width);
        String fill = String.valueOf(s.fill);
        char align = s.align != 0 ? s.align : numeric ? '>' : '<';
        return switch (align) {
            case '<' -> text + fill.repeat(blanks);
            case '>' -> fill.repeat(blanks) + text;
            case '^' -> fill.repeat(blanks / 2) + text + fill.repeat(blanks - blanks / 2);
            default -> {
                int signs = text.startsWith("-") || text.startsWith("+") || text.startsWith(" ") ? 1 : 0;
                yield text.substring(0, signs) + fill.repeat(blanks) + text.substring(signs);
            }
        };
    }

    private String text(Object value, Spec s) {
        boolean textual = Operators.plain(value) instanceof String || value instanceof Boolean;
        if (!textual || (s.type != 0 && s.type != 's') || s.align == '=' || s.sign != '-' || s.comma) {
            throw JinjaError.type("unsupported format string passed to " + PythonText.typeName(value) + ".__format__");
        }
        String text = PythonText.str(value, budget);
        boolean cut = s.precision >= 0 && s.precision < PythonStrings.length(text);
        return cut ? text.substring(0, PythonStrings.offset(text, s.precision)) : text;
    }

    private static String number(Object value, Spec s) {
        boolean integral = Numbers.isInt(value);
        boolean negative = integral
                ? Numbers.big(value).signum() < 0
                : Numbers.asDouble(value) < 0 || 1 / Numbers.asDouble(value) < 0;
        String digits;
        if (integral && (s.type == 0 || "dxXobn".indexOf(s.type) >= 0)) {
            int radix = s.type == 'x' || s.type == 'X' ? 16 : s.type == 'o' ? 8 : s.type == 'b' ? 2 : 10;
            digits = Numbers.big(value).abs().toString(radix);
            digits = s.type == 'X' ? PythonStrings.upper(digits) : digits;
        } else {
            digits = floating(Numbers.asDouble(value), s);
        }
        if (s.comma) {
            digits = grouped(digits);
        }
        return (negative ? "-" : s.sign == '-' ? "" : String.valueOf(s.sign)) + digits;
    }

    private static String floating(double value, Spec s) {
        if (s.type == 0 && s.precision < 0) {
            return PythonText.number(Math.abs(value));
        }
        if (s.type == '%') {
            return NumberText.magnitude(value * 100, 'f', s.precision < 0 ? 6 : s.precision, false) + "%";
        }
        if (s.type != 0 && "eEfFgG".indexOf(s.type) < 0) {
            throw JinjaError.value("Unknown format code '" + s.type + "' for object of type 'float'");
        }
        return NumberText.magnitude(value, s.type == 0 ? 'g' : s.type, s.precision < 0 ? 6 : s.precision, false);
    }

    private static String grouped(String digits) {
        int end = 0;
        while (end < digits.length() && Character.isDigit(digits.charAt(end))) {
            end++;
        }
        StringBuilder out = new StringBuilder(digits);
        for (int i = end - 3; i > 0; i -= 3) {
            out.insert(i, ',');
        }
        return out.toString();
    }

    /** A parsed format specification; 0 stands for a letter that is not there. */
    private record Spec(char fill, char align, char sign, int width, boolean comma, int precision, char type) {
        static Spec parse(String spec) {
            int i = 0;
            char fill = ' ';
            char align = 0;
            char sign = '-';
            if (spec.length() > 1 && "<>^=".indexOf(spec.charAt(1)) >= 0) {
                fill = spec.charAt(0);
                align = spec.charAt(1);
                i = 2;
            } else if ("<>^=".indexOf(spec.charAt(0)) >= 0) {
                align = spec.charAt(0);
                i = 1;
            }
            if (i < spec.length() && "+- ".indexOf(spec.charAt(i)) >= 0) {
                sign = spec.charAt(i++);
            }
            if (i < spec.length() && spec.charAt(i) == '0' && align == 0) {
                fill = '0';
                align = '=';
                i++;
            }
            int start = i;
            i = digits(spec, i);
            int width = count(spec.substring(start, i));
            boolean comma = i < spec.length() && spec.charAt(i) == ',';
            i += comma ? 1 : 0;
            int precision = -1;
            if (i < spec.length() && spec.charAt(i) == '.') {
                start = ++i;
                i = digits(spec, i);
                precision = count(spec.substring(start, i));
            }
            char type = i < spec.length() ? spec.charAt(i++) : 0;
            if (i < spec.length()) {
                throw JinjaError.value("Invalid format specifier '" + spec + "'");
            }
            return new Spec(fill, align, sign, width, comma, precision, type);
        }

        private static int digits(String spec, int from) {
            int i = from;
            while (i < spec.length() && spec.charAt(i) >= '0' && spec.charAt(i) <= '9') {
                i++;
            }
            return i;
        }

        private static int count(String digits) {
            if (digits.length() > 9) {
                throw JinjaError.value("Too many decimal digits in format string");
            }
            return digits.isEmpty() ? 0 : Integer.parseInt(digits);
        }
    }
}
