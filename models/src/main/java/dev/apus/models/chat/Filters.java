package dev.apus.models.chat;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The filters of {@code value | name} on single values; {@link SequenceFilters} has those on sequences. */
final class Filters {
    private static final Set<String> NAMES = Set.of(
            "abs",
            "attr",
            "batch",
            "capitalize",
            "center",
            "count",
            "d",
            "default",
            "dictsort",
            "e",
            "escape",
            "first",
            "float",
            "forceescape",
            "format",
            "groupby",
            "indent",
            "int",
            "join",
            "last",
            "length",
            "list",
            "lower",
            "items",
            "map",
            "min",
            "max",
            "reject",
            "rejectattr",
            "replace",
            "reverse",
            "round",
            "safe",
            "select",
            "selectattr",
            "slice",
            "sort",
            "string",
            "sum",
            "title",
            "trim",
            "truncate",
            "unique",
            "upper",
            "wordcount",
            "tojson");
    /** Filters of jinja2 that exist for web pages; naming one is an error only when it runs, as the template may never need it. */
    private static final Set<String> REFUSED =
            Set.of("filesizeformat", "pprint", "random", "striptags", "urlencode", "urlize", "wordwrap", "xmlattr");

    private final Budget budget;
    private final Access access;
    private final SequenceFilters sequences;

    Filters(Budget budget, Access access, Predicates predicates) {
        this.budget = budget;
        this.access = access;
        this.sequences = new SequenceFilters(budget, access, this, predicates);
    }

    static boolean exists(String name) {
        return NAMES.contains(name) || REFUSED.contains(name);
    }

    Object apply(String name, Object value, Arguments a) {
        return switch (name) {
            case "tojson" -> Json.filter(value, a, budget);
            case "trim" -> trim(value, a);
            case "length", "count" -> {
                a.only(name, 0, 0);
                yield (long) Iteration.length(value, budget);
            }
            case "string" -> value instanceof Markup ? value : PythonText.str(value, budget);
            case "safe" -> new Markup(PythonText.str(value, budget));
            case "e", "escape" -> value instanceof Markup ? value : escape(value);
            case "forceescape" -> escape(value);
            case "upper", "lower", "title", "capitalize", "wordcount" -> {
                a.only(name, 0, 0);
                yield casing(name, PythonText.str(value, budget));
            }
            case "default", "d" -> {
                @Nullable Object[] b = a.bind(name, 0, "default_value", "boolean");
                boolean empty = b[1] != null && Operators.truth(b[1]) && !Operators.truth(value);
                yield value instanceof Undefined || empty ? orElse(b[0], "") : value;
            }
            case "replace" -> replace(value, a);
            case "indent" -> indent(value, a);
            case "truncate" -> truncate(value, a);
            case "center" -> {
                @Nullable Object[] b = a.bind(name, 0, "width");
                int width = b[0] == null ? 80 : Numbers.index(b[0]);
                yield StringMethods.pad(PythonText.str(value, budget), width, " ", name, budget);
            }
            case "format" -> PercentFormat.filter(PythonText.str(value, budget), a, budget);
            case "int" -> toInt(value, a);
            case "float" -> toFloat(value, a);
            case "abs" -> abs(value);
            case "round" -> round(value, a);
            case "attr" -> attribute(value, a);
            default -> {
                if (REFUSED.contains(name)) {
                    throw new JinjaError("the filter '" + name + "' is not supported in chat templates");
                }
                if (!NAMES.contains(name)) {
                    throw new JinjaError("TemplateRuntimeError: No filter named '" + name + "'.");
                }
                yield sequences.apply(name, value, a);
            }
        };
    }

    static Object orElse(@Nullable Object value, Object otherwise) {
        return value == null ? otherwise : value;
    }

    private Object escape(Object value) {
        String text = PythonText.str(value, budget);
        budget.text(text.length() * 2L);
        return new Markup(Markup.escape(text));
    }

    private Object trim(Object value, Arguments a) {
        Object set = orElse(a.bind("trim", 0, "chars")[0], None.NONE);
        String text = PythonText.str(value, budget);
        budget.text(text.length());
        if (set == None.NONE) {
            return PythonStrings.strip(text, true, true);
        }
        String characters = PythonText.str(set, budget);
        budget.search(text.length(), characters.length());
        return PythonStrings.strip(text, characters, true, true);
    }

    private Object casing(String name, String text) {
        budget.text(text.length());
        return switch (name) {
            case "upper" -> PythonStrings.upper(text);
            case "lower" -> PythonStrings.lower(text);
            case "capitalize" -> PythonStrings.capitalize(text);
            case "title" -> title(text);
            default -> words(text);
        };
    }

    /** jinja2's title: words begin after blanks and dashes and opening brackets, unlike str.title(). */
    private static String title(String text) {
        StringBuilder out = new StringBuilder(text.length());
        boolean start = true;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            String letter = Character.toString(c);
            out.append(start ? PythonStrings.upper(letter) : PythonStrings.lower(letter));
            start = PythonStrings.isSpace(c) || "-({[<".indexOf(c) >= 0;
            i += Character.charCount(c);
        }
        return out.toString();
    }

    private static long words(String text) {
        long count = 0;
        boolean inWord = false;
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            boolean part = Character.isLetterOrDigit(text.codePointAt(i)) || text.charAt(i) == '_';
            count += part && !inWord ? 1 : 0;
            inWord = part;
        }
        return count;
    }

    private Object replace(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("replace", 2, "old", "new", "count");
        Object limit = orElse(b[2], None.NONE);
        int count = limit == None.NONE ? -1 : Numbers.index(limit);
        String old = PythonText.str(orElse(b[0], ""), budget);
        String by = PythonText.str(orElse(b[1], ""), budget);
        return StringMethods.replace(PythonText.str(value, budget), old, by, count, budget);
    }

    private Object indent(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("indent", 0, "width", "first", "blank");
        Object width = orElse(b[0], 4L);
        String indent =
                Operators.plain(width) instanceof String s ? s : (String) Operators.binary("*", " ", width, budget);
        boolean first = b[1] != null && Operators.truth(b[1]);
        boolean blank = b[2] != null && Operators.truth(b[2]);
        Object text = Operators.binary("+", Operators.plain(value), "\n", budget);
        StringBuilder out = new StringBuilder();
        boolean start = true;
        for (String line : PythonStrings.splitLines((String) text, false)) {
            out.append(start ? "" : "\n");
            if (start ? first : blank || !line.isEmpty()) {
                out.append(indent);
            }
            out.append(line);
            budget.room(out);
            start = false;
        }
        budget.text(out.length());
        return out.toString();
    }

    private Object truncate(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("truncate", 0, "length", "killwords", "end", "leeway");
        String text = PythonText.str(value, budget);
        int length = Numbers.index(orElse(b[0], 255L));
        String end = PythonText.str(orElse(b[2], "..."), budget);
        Object given = orElse(b[3], None.NONE);
        int leeway = given == None.NONE ? 5 : Numbers.index(given);
        int endLength = PythonStrings.length(end);
        if (length < endLength || leeway < 0) {
            throw new JinjaError(
                    "AssertionError: expected length >= " + endLength + ", got " + length + ", and leeway >= 0");
        }
        if (PythonStrings.length(text) <= (long) length + leeway) {
            return text;
        }
        String cut = text.substring(0, PythonStrings.offset(text, length - endLength));
        boolean kill = b[1] != null && Operators.truth(b[1]);
        int blank = kill ? -1 : cut.lastIndexOf(' ');
        return (blank < 0 ? cut : cut.substring(0, blank)) + end;
    }

    private static @Nullable Object parseInt(String text, int base) {
        String digits = PythonStrings.strip(text, true, true);
        boolean negative = digits.startsWith("-");
        digits = negative || digits.startsWith("+") ? digits.substring(1) : digits;
        String prefix = digits.length() > 1 ? PythonStrings.lower(digits.substring(0, 2)) : "";
        int radix = base;
        int named = prefix.equals("0x") ? 16 : prefix.equals("0o") ? 8 : prefix.equals("0b") ? 2 : 0;
        if (named != 0 && (base == named || base == 0)) {
            digits = digits.substring(2);
            radix = named;
        }
        radix = radix == 0 ? 10 : radix;
        boolean valid = !digits.isEmpty() && digits.length() <= Numbers.MAX_DIGITS && radix <= 36 && radix >= 2;
        boolean afterDigit = named != 0;
        for (int i = 0; i < digits.length() && valid; i++) {
            boolean digit = Character.digit(digits.charAt(i), radix) >= 0;
            valid = digit || (digits.charAt(i) == '_' && afterDigit && i + 1 < digits.length());
            afterDigit = digit;
        }
        if (!valid) {
            return null;
        }
        BigInteger number = new BigInteger(digits.replace("_", ""), radix);
        return Numbers.of(negative ? number.negate() : number);
    }

    static @Nullable Double parseFloat(String text) {
        String plain = PythonStrings.lower(PythonStrings.strip(text, true, true));
        String unsigned = plain.startsWith("-") || plain.startsWith("+") ? plain.substring(1) : plain;
        double sign = plain.startsWith("-") ? -1 : 1;
        switch (unsigned) {
            case "nan" -> {
                return Double.NaN;
            }
            case "inf", "infinity" -> {
                return sign * Double.POSITIVE_INFINITY;
            }
            default -> {
                boolean plausible =
                        !unsigned.isEmpty() && unsigned.chars().allMatch(c -> "0123456789.e+-_".indexOf(c) >= 0);
                try {
                    return plausible ? (Double) (sign * Double.parseDouble(unsigned.replace("_", ""))) : null;
                } catch (NumberFormatException e) {
                    return null;
                }
            }
        }
    }

    private static Object toInt(Object given, Arguments a) {
        Object value = Operators.plain(given);
        @Nullable Object[] b = a.bind("int", 0, "default", "base");
        Object otherwise = orElse(b[0], 0L);
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (value instanceof String s) {
            Object number = parseInt(s, Numbers.index(orElse(b[1], 10L)));
            if (number != null) {
                return number;
            }
            Double decimal = parseFloat(s);
            return decimal == null || decimal.isNaN() || decimal.isInfinite() ? otherwise : Numbers.truncate(decimal);
        }
        if (value instanceof Double d) {
            return d.isNaN() ? otherwise : Numbers.truncate(d);
        }
        return Numbers.isInt(value) ? Numbers.of(Numbers.big(value)) : otherwise;
    }

    private static Object toFloat(Object given, Arguments a) {
        Object value = Operators.plain(given);
        Object otherwise = orElse(a.bind("float", 0, "default")[0], 0.0);
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (value instanceof String s) {
            Double number = parseFloat(s);
            return number == null ? otherwise : number;
        }
        return Numbers.isNumber(value) ? (Object) Numbers.asDouble(value) : otherwise;
    }

    private static Object abs(Object value) {
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (!Numbers.isNumber(value)) {
            throw JinjaError.type("bad operand type for abs(): '" + PythonText.typeName(value) + "'");
        }
        return value instanceof Double d
                ? (Object) Math.abs(d)
                : Numbers.of(Numbers.big(value).abs());
    }

    private Object round(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("round", 0, "precision", "method");
        int precision = Numbers.index(orElse(b[0], 0L));
        String method = PythonText.str(orElse(b[1], "common"), budget);
        if (Math.abs(precision) > NumberText.MAX_PRECISION) {
            throw JinjaError.value("precision too big: " + precision);
        }
        RoundingMode mode =
                switch (method) {
                    case "common" -> RoundingMode.HALF_EVEN;
                    case "ceil" -> RoundingMode.CEILING;
                    case "floor" -> RoundingMode.FLOOR;
                    default -> throw new JinjaError("method must be common, ceil or floor");
                };
        if (!Numbers.isNumber(value)) {
            throw value instanceof Undefined u
                    ? u.error()
                    : JinjaError.type("type " + PythonText.typeName(value) + " doesn't define __round__ method");
        }
        if (mode != RoundingMode.HALF_EVEN) {
            double scale = Math.pow(10, precision);
            double scaled = Numbers.asDouble(value) * scale;
            return (mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
        }
        if (!(value instanceof Double d)) {
            BigDecimal number = new BigDecimal(Numbers.big(value));
            return Numbers.of(number.setScale(Math.min(0, precision), mode).toBigInteger());
        }
        return d.isNaN() || d.isInfinite()
                ? d
                : new BigDecimal(d).setScale(precision, mode).doubleValue();
    }

    private Object attribute(Object value, Arguments a) {
        String name = PythonText.str(orElse(a.bind("attr", 1, "name")[0], ""), budget);
        Object found = access.ownAttribute(value, name);
        if (found != null) {
            return found;
        }
        Object missing = value instanceof Map<?, ?> ? Map.of() : value;
        return access.attribute(missing, name);
    }

    /** The parts of an attribute path {@code a.b.0}; numbers are indices. */
    static List<Object> path(Object attribute) {
        if (!(Operators.plain(attribute) instanceof String text)) {
            return List.of(attribute);
        }
        List<Object> parts = new ArrayList<>();
        int start = 0;
        for (int dot = text.indexOf('.'); dot >= 0; dot = text.indexOf('.', start)) {
            parts.add(part(text.substring(start, dot)));
            start = dot + 1;
        }
        parts.add(part(text.substring(start)));
        return parts;
    }

    private static Object part(String text) {
        Object number = !text.isEmpty() && text.chars().allMatch(c -> c >= '0' && c <= '9') ? parseInt(text, 10) : null;
        return number == null ? text : number;
    }
}
