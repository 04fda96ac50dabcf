package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** The methods of Python's str. */
final class StringMethods {
    private static final Set<String> NAMES = Set.of(
            "capitalize",
            "casefold",
            "center",
            "count",
            "endswith",
            "expandtabs",
            "find",
            "format",
            "format_map",
            "index",
            "isalnum",
            "isalpha",
            "isascii",
            "isdecimal",
            "isdigit",
            "isidentifier",
            "islower",
            "isnumeric",
            "isprintable",
            "isspace",
            "istitle",
            "isupper",
            "join",
            "ljust",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
            "removesuffix",
            "replace",
            "rfind",
            "rindex",
            "rjust",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "strip",
            "swapcase",
            "title",
            "upper",
            "zfill");
    private static final Set<String> REFUSED = Set.of("encode", "maketrans", "translate");

    private final String s;
    private final Budget budget;
    private final Access access;

    private StringMethods(String s, Budget budget, Access access) {
        this.s = s;
        this.budget = budget;
        this.access = access;
    }

    /** The method of a name bound to {@code s}, null if str has none. */
    static @Nullable Object of(String s, String name, Budget budget, Access access) {
        if (REFUSED.contains(name)) {
            return new Function("<str method>", _ -> {
                throw JinjaError.type("str." + name + "() is not supported in chat templates");
            });
        }
        if (!NAMES.contains(name)) {
            return null;
        }
        return new Function(
                "<built-in method " + name + " of str object>",
                arguments -> new StringMethods(s, budget, access).call(name, arguments));
    }

    private Object call(String name, Arguments a) {
        budget.text(s.length());
        return switch (name) {
            case "strip" -> strip(name, a, true, true);
            case "lstrip" -> strip(name, a, true, false);
            case "rstrip" -> strip(name, a, false, true);
            case "split" -> split(a, false);
            case "rsplit" -> split(a, true);
            case "startswith", "endswith" -> affix(name, a);
            case "replace" -> replace(a);
            case "join" -> join(a);
            case "find", "rfind", "index", "rindex" -> find(name, a);
            case "count" -> count(a);
            case "partition", "rpartition" -> partition(name, a);
            case "removeprefix", "removesuffix" -> remove(name, a);
            case "center", "ljust", "rjust", "zfill" -> pad(name, a);
            case "splitlines" -> {
                @Nullable Object[] keep = a.bind(name, 0, "keepends");
                yield new ArrayList<Object>(PythonStrings.splitLines(s, keep[0] != null && Operators.truth(keep[0])));
            }
            case "format" -> new BraceFormat(s, a, budget, access).format();
            case "format_map" -> new BraceFormat(s, BraceFormat.mapping(a), budget, access).format();
            case "expandtabs" -> expandTabs(a);
            default -> plain(name, a);
        };
    }

    private Object plain(String name, Arguments a) {
        a.only(name, 0, 0);
        return switch (name) {
            case "lower" -> PythonStrings.lower(s);
            case "casefold" -> PythonStrings.lower(PythonStrings.upper(s)).replace("ß", "ss");
            case "upper" -> PythonStrings.upper(s);
            case "title" -> PythonStrings.title(s);
            case "capitalize" -> PythonStrings.capitalize(s);
            case "swapcase" -> PythonStrings.swapCase(s);
            case "isalpha" -> all(Character::isLetter);
            case "isdigit" -> all(c -> Character.isDigit(c) || isSuperscript(c));
            case "isdecimal" -> all(Character::isDigit);
            case "isnumeric" -> all(StringMethods::isNumeric);
            case "isalnum" -> all(c -> Character.isLetter(c) || isNumeric(c));
            case "isspace" -> all(PythonStrings::isSpace);
            case "isascii" -> s.isEmpty() || all(c -> c < 128);
            case "isprintable" -> s.isEmpty() || all(PythonText::isPrintable);
            case "islower" -> Predicates.isCase(s, false);
            case "isupper" -> Predicates.isCase(s, true);
            case "istitle" ->
                s.codePoints().anyMatch(PythonStrings::isCased)
                        && PythonStrings.title(s).equals(s);
            case "isidentifier" -> isIdentifier();
            default -> throw new IllegalArgumentException("str has no method " + name);
        };
    }

    private boolean all(IntPredicate test) {
        return !s.isEmpty() && s.codePoints().allMatch(test);
    }

    /** Digits that are no decimal digits: raised and lowered ones. */
    private static boolean isSuperscript(int c) {
        return c == 0xb2
                || c == 0xb3
                || c == 0xb9
                || c == 0x2070
                || (c >= 0x2074 && c <= 0x2079)
                || (c >= 0x2080 && c <= 0x2089);
    }

    private static boolean isNumeric(int c) {
        int type = Character.getType(c);
        return type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }

    private boolean isIdentifier() {
        return !s.isEmpty()
                && (s.codePointAt(0) == '_' || Character.isUnicodeIdentifierStart(s.codePointAt(0)))
                && all(c -> c == '_' || Character.isUnicodeIdentifierPart(c));
    }

    private static String text(@Nullable Object value, String method) {
        if (value != null && Operators.plain(value) instanceof String text) {
            return text;
        }
        throw JinjaError.type(
                method + "() argument must be str, not " + (value == null ? "absent" : PythonText.typeName(value)));
    }

    private Object strip(String name, Arguments a, boolean left, boolean right) {
        List<Object> set = a.only(name, 0, 1);
        if (set.isEmpty() || set.getFirst() == None.NONE) {
            return PythonStrings.strip(s, left, right);
        }
        String characters = text(set.getFirst(), name);
        budget.search(s.length(), characters.length());
        return PythonStrings.strip(s, characters, left, right);
    }

    private Object split(Arguments a, boolean fromRight) {
        @Nullable Object[] bound = a.bind("split", 0, "sep", "maxsplit");
        int most = bound[1] == null ? -1 : Numbers.index(bound[1]);
        int limit = most < 0 ? Integer.MAX_VALUE : most;
        if (bound[0] == null || bound[0] == None.NONE) {
            return fromRight ? splitBlanksRight(limit) : splitBlanks(limit);
        }
        String separator = text(bound[0], "split");
        if (separator.isEmpty()) {
            throw JinjaError.value("empty separator");
        }
        budget.search(s.length(), separator.length());
        List<Object> parts = new ArrayList<>();
        if (fromRight) {
            int stop = s.length();
            for (int at;
                    parts.size() < limit && (at = s.lastIndexOf(separator, stop - separator.length())) >= 0;
                    stop = at) {
                budget.step();
                parts.add(s.substring(at + separator.length(), stop));
            }
            parts.add(s.substring(0, stop));
            budget.elements(parts.size());
            Collections.reverse(parts);
            return parts;
        }
        int start = 0;
        for (int at; parts.size() < limit && (at = s.indexOf(separator, start)) >= 0; start = at + separator.length()) {
            budget.step();
            parts.add(s.substring(start, at));
        }
        parts.add(s.substring(start));
        budget.elements(parts.size());
        return parts;
    }

    private List<Object> splitBlanks(int limit) {
        List<Object> parts = new ArrayList<>();
        int i = 0;
        while (true) {
            while (i < s.length() && PythonStrings.isSpace(s.charAt(i))) {
                i++;
            }
            if (i == s.length()) {
                return parts;
            }
            int start = i;
            if (parts.size() == limit) {
                parts.add(s.substring(start));
                return parts;
            }
            while (i < s.length() && !PythonStrings.isSpace(s.charAt(i))) {
                i++;
            }
            budget.step();
            parts.add(s.substring(start, i));
        }
    }

    private List<Object> splitBlanksRight(int limit) {
        List<Object> parts = new ArrayList<>();
        int i = s.length();
        while (true) {
            while (i > 0 && PythonStrings.isSpace(s.charAt(i - 1))) {
                i--;
            }
            if (i == 0) {
                return parts.reversed();
            }
            int stop = i;
            if (parts.size() == limit) {
                parts.add(s.substring(0, stop));
                return parts.reversed();
            }
            while (i > 0 && !PythonStrings.isSpace(s.charAt(i - 1))) {
                i--;
            }
            budget.step();
            parts.add(s.substring(i, stop));
        }
    }

    /** The part of the string that optional start and end arguments name, null if start is beyond the end. */
    private @Nullable String window(List<Object> a) {
        Object start = a.size() > 1 ? a.get(1) : None.NONE;
        Object stop = a.size() > 2 ? a.get(2) : None.NONE;
        boolean beyond = start != None.NONE && Numbers.longIndex(start) > PythonStrings.length(s);
        return beyond ? null : (String) access.slice(s, start, stop, None.NONE);
    }

    private Object affix(String name, Arguments a) {
        List<Object> given = a.only(name, 1, 3);
        String part = window(given);
        List<?> affixes = given.getFirst() instanceof Tuple t ? t : List.of(given.getFirst());
        for (Object affix : affixes) {
            String wanted = text(affix, name);
            if (part != null && (name.equals("startswith") ? part.startsWith(wanted) : part.endsWith(wanted))) {
                return true;
            }
        }
        return false;
    }

    private Object replace(Arguments a) {
        List<Object> given = a.only("replace", 2, 3);
        int count = given.size() == 3 ? Numbers.index(given.get(2)) : -1;
        return replace(s, text(given.get(0), "replace"), text(given.get(1), "replace"), count, budget);
    }

    /** str.replace; a negative count means all. */
    static String replace(String s, String old, String by, int count, Budget budget) {
        int limit = count < 0 ? Integer.MAX_VALUE : count;
        budget.search(s.length(), old.length());
        StringBuilder out = new StringBuilder();
        int start = 0;
        int done = 0;
        if (old.isEmpty()) {
            for (Object character : PythonStrings.characters(s)) {
                if (done++ < limit) {
                    out.append(by);
                    budget.room(out);
                }
                out.append((String) character);
            }
            out.append(done < limit ? by : "");
        } else {
            for (int at; done < limit && (at = s.indexOf(old, start)) >= 0; start = at + old.length()) {
                out.append(s, start, at).append(by);
                budget.room(out);
                done++;
            }
            out.append(s, start, s.length());
        }
        budget.text(out.length());
        return out.toString();
    }

    private Object join(Arguments a) {
        StringBuilder out = new StringBuilder();
        boolean first = true;
        for (Object item : Iteration.list(a.only("join", 1, 1).getFirst(), budget)) {
            if (!(Operators.plain(item) instanceof String part)) {
                throw JinjaError.type("sequence item: expected str instance, " + PythonText.typeName(item) + " found");
            }
            out.append(first ? "" : s).append(part);
            first = false;
            budget.room(out);
        }
        budget.text(out.length());
        return out.toString();
    }

    private Object find(String name, Arguments a) {
        List<Object> given = a.only(name, 1, 3);
        String part = text(given.getFirst(), name);
        String window = window(given);
        int at = -1;
        if (window != null) {
            budget.search(window.length(), part.length());
            at = name.startsWith("r") ? window.lastIndexOf(part) : window.indexOf(part);
        }
        if (at < 0) {
            if (name.endsWith("index")) {
                throw JinjaError.value("substring not found");
            }
            return -1L;
        }
        long start = given.size() > 1 && given.get(1) != None.NONE ? Numbers.longIndex(given.get(1)) : 0;
        int length = PythonStrings.length(s);
        long base = start < 0 ? Math.max(0, start + length) : Math.min(start, length);
        return base + java.util.Objects.requireNonNull(window).codePointCount(0, at);
    }

    private Object count(Arguments a) {
        List<Object> given = a.only("count", 1, 3);
        String part = text(given.getFirst(), "count");
        String window = window(given);
        if (window == null) {
            return 0L;
        }
        if (part.isEmpty()) {
            return PythonStrings.length(window) + 1L;
        }
        budget.search(window.length(), part.length());
        long count = 0;
        for (int at = window.indexOf(part); at >= 0; at = window.indexOf(part, at + part.length())) {
            count++;
        }
        return count;
    }

    private Object partition(String name, Arguments a) {
        String separator = text(a.only(name, 1, 1).getFirst(), name);
        if (separator.isEmpty()) {
            throw JinjaError.value("empty separator");
        }
        budget.search(s.length(), separator.length());
        boolean right = name.equals("rpartition");
        int at = right ? s.lastIndexOf(separator) : s.indexOf(separator);
        if (at < 0) {
            return new Tuple(right ? List.of("", "", s) : List.of(s, "", ""));
        }
        return new Tuple(List.of(s.substring(0, at), separator, s.substring(at + separator.length())));
    }

    private Object remove(String name, Arguments a) {
        String affix = text(a.only(name, 1, 1).getFirst(), name);
        if (name.equals("removeprefix")) {
            return s.startsWith(affix) ? s.substring(affix.length()) : s;
        }
        return s.endsWith(affix) && !affix.isEmpty() ? s.substring(0, s.length() - affix.length()) : s;
    }

    private Object pad(String name, Arguments a) {
        List<Object> given = a.only(name, 1, name.equals("zfill") ? 1 : 2);
        int width = Numbers.index(given.getFirst());
        if (name.equals("zfill")) {
            int signs = s.startsWith("-") || s.startsWith("+") ? 1 : 0;
            int zeros = Math.max(0, width - PythonStrings.length(s));
            budget.text(zeros);
            return s.substring(0, signs) + "0".repeat(zeros) + s.substring(signs);
        }
        String fill = given.size() > 1 ? text(given.get(1), name) : " ";
        if (PythonStrings.length(fill) != 1) {
            throw JinjaError.type("The fill character must be exactly one character long");
        }
        return pad(s, width, fill, name, budget);
    }

    /** Pads to a width: {@code ljust}, {@code rjust} or {@code center}. */
    static String pad(String s, int width, String fill, String name, Budget budget) {
        int blanks = width - PythonStrings.length(s);
        if (blanks <= 0) {
            return s;
        }
        budget.text((long) blanks * fill.length() + s.length());
        int left =
                switch (name) {
                    case "ljust" -> 0;
                    case "rjust" -> blanks;
                    default -> blanks / 2 + (blanks & width & 1);
                };
        return fill.repeat(left) + s + fill.repeat(blanks - left);
    }

    private Object expandTabs(Arguments a) {
        @Nullable Object[] bound = a.bind("expandtabs", 0, "tabsize");
        int size = bound[0] == null ? 8 : Numbers.index(bound[0]);
        StringBuilder out = new StringBuilder();
        int column = 0;
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            if (c == '\t') {
                int blanks = size <= 0 ? 0 : size - column % size;
                budget.text(blanks);
                out.append(" ".repeat(blanks));
                budget.room(out);
                column += blanks;
            } else {
                out.append(c);
                column = c == '\n' || c == '\r' ? 0 : column + 1;
            }
        }
        return out.toString();
    }
}
