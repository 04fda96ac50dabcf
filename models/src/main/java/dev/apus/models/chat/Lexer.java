package dev.apus.models.chat;

import dev.apus.models.chat.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens as jinja2's lexer does with {@code trim_blocks} and {@code lstrip_blocks} on and
 * {@code keep_trailing_newline} off: a newline after a block or comment goes, blanks before one on its line go, {@code -} strips all
 * white space on its side, {@code +} keeps it.
 */
final class Lexer {
    private static final List<String> LONG_OPERATORS = List.of("//", "**", "==", "!=", ">=", "<=");
    private static final String SHORT_OPERATORS = "+-/*%~[](){}><=.:|,;";

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int position;
    private int line = 1;
    private boolean lineStart = true;

    Lexer(String source) {
        String text = normaliseNewlines(source);
        this.source = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }

    /** The line the lexer has come to: the line of the fault when it throws. */
    int line() {
        return line;
    }

    List<Token> tokens() {
        while (position < source.length()) {
            root();
        }
        tokens.add(new Token(Kind.END, "", line));
        return tokens;
    }

    private static String normaliseNewlines(String text) {
        return text.indexOf('\r') < 0 ? text : text.replace("\r\n", "\n").replace('\r', '\n');
    }

    /** Text up to the next tag, then that tag. */
    private void root() {
        int tag = nextTag(position);
        if (tag < 0) {
            add(Kind.TEXT, source.substring(position));
            advance(source.length());
            return;
        }
        char type = source.charAt(tag + 1);
        char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
        text(tag, sign, type != '{');
        advance(tag + 2);
        if (sign == '-' || sign == '+') {
            advance(tag + 3);
        }
        switch (type) {
            case '#' -> comment();
            case '{' -> tag(Kind.OUTPUT_BEGIN, Kind.OUTPUT_END, "}}");
            default -> {
                if (!raw()) {
                    tag(Kind.BLOCK_BEGIN, Kind.BLOCK_END, "%}");
                }
            }
        }
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '%' || next == '{' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    /** Emits the text before a tag at {@code end}, stripped as the tag's sign asks. */
    private void text(int end, char sign, boolean blanksGo) {
        int stop = end;
        if (sign == '-') {
            while (stop > position && isSpace(source.charAt(stop - 1))) {
                stop--;
            }
        } else if (sign != '+' && blanksGo) {
            int start = end;
            while (start > position && source.charAt(start - 1) != '\n') {
                start--;
            }
            boolean atLineStart = start > position || lineStart;
            if (atLineStart && isBlank(start, end)) {
                stop = start;
            }
        }
        if (stop > position) {
            add(Kind.TEXT, source.substring(position, stop));
        }
        advance(end);
    }

    private boolean isBlank(int from, int to) {
        for (int i = from; i < to; i++) {
            if (!isSpace(source.charAt(i))) {
                return false;
            }
        }
        return true;
    }

    private void comment() {
        int end = source.indexOf("#}", position);
        if (end < 0) {
            throw new JinjaError("Missing end of comment tag");
        }
        char sign = end > position ? source.charAt(end - 1) : ' ';
        advance(end + 2);
        afterTag(sign, true);
    }

    /** Drops what a closing tag swallows: all white space after {@code -}, else one newline if {@code trim}, unless {@code +}. */
    private void afterTag(char sign, boolean trim) {
        int stop = position;
        if (sign == '-') {
            while (stop < source.length() && isSpace(source.charAt(stop))) {
                stop++;
            }
        } else if (trim && sign != '+' && stop < source.length() && source.charAt(stop) == '\n') {
            stop++;
        }
        advance(stop);
    }

    /** Reads a raw section up to its end tag if the block just opened is one. */
    private boolean raw() {
        int word = skipSpace(position);
        int after = word + 3;
        if (!source.startsWith("raw", word)) {
            return false;
        }
        after = skipSpace(after);
        boolean strip = source.startsWith("-%}", after);
        if (!strip && !source.startsWith("%}", after)) {
            return false;
        }
        advance(after + (strip ? 3 : 2));
        afterTag(strip ? '-' : ' ', false);
        for (int open = source.indexOf("{%", position); open >= 0; open = source.indexOf("{%", open + 1)) {
            int at = open + 2;
            char sign = at < source.length() ? source.charAt(at) : ' ';
            at = skipSpace(sign == '-' || sign == '+' ? at + 1 : at);
            if (!source.startsWith("endraw", at)) {
                continue;
            }
            at = skipSpace(at + 6);
            char endSign = at < source.length() ? source.charAt(at) : ' ';
            int close = endSign == '-' || endSign == '+' ? at + 1 : at;
            if (source.startsWith("%}", close)) {
                text(open, sign, true);
                advance(close + 2);
                afterTag(endSign, true);
                return true;
            }
        }
        throw new JinjaError("Missing end of raw directive");
    }

    private int skipSpace(int from) {
        int i = from;
        while (i < source.length() && isSpace(source.charAt(i))) {
            i++;
        }
        return i;
    }

    /** The tokens between an opening and its closing tag. A closing tag counts only outside brackets. */
    private void tag(Kind begin, Kind end, String close) {
        add(begin, "");
        Deque<Character> brackets = new ArrayDeque<>();
        while (position < source.length()) {
            char c = source.charAt(position);
            if (brackets.isEmpty()) {
                boolean signed = c == '-' || (c == '+' && end == Kind.BLOCK_END);
                if (source.startsWith(close, position) || (signed && source.startsWith(close, position + 1))) {
                    add(end, "");
                    advance(position + (signed ? 3 : 2));
                    afterTag(signed ? c : ' ', end == Kind.BLOCK_END);
                    return;
                }
            }
            if (isSpace(c)) {
                advance(position + 1);
            } else if (c >= '0' && c <= '9') {
                number();
            } else if (isNamePart(source.codePointAt(position))) {
                name();
            } else if (c == '\'' || c == '"') {
                string(c);
            } else {
                operator(c, brackets);
            }
        }
    }

    private void name() {
        int stop = position;
        while (stop < source.length() && isNamePart(source.codePointAt(stop))) {
            stop += Character.charCount(source.codePointAt(stop));
        }
        int first = source.codePointAt(position);
        if (first != '_' && !Character.isUnicodeIdentifierStart(first)) {
            throw new JinjaError("Invalid character in identifier");
        }
        add(Kind.NAME, source.substring(position, stop));
        advance(stop);
    }

    private static boolean isNamePart(int c) {
        return c == '_' || (Character.isUnicodeIdentifierPart(c) && !Character.isIdentifierIgnorable(c));
    }

    private void operator(char c, Deque<Character> brackets) {
        String operator = LONG_OPERATORS.stream()
                .filter(o -> source.startsWith(o, position))
                .findFirst()
                .orElse(String.valueOf(c));
        if (operator.length() == 1 && SHORT_OPERATORS.indexOf(c) < 0) {
            throw new JinjaError("unexpected char " + PythonText.quote(String.valueOf(c)) + " at " + position);
        }
        switch (c) {
            case '(' -> brackets.push(')');
            case '[' -> brackets.push(']');
            case '{' -> brackets.push('}');
            case ')', ']', '}' -> {
                if (brackets.isEmpty() || brackets.pop() != c) {
                    throw new JinjaError("unexpected '" + c + "'");
                }
            }
            default -> {
                // Not a bracket.
            }
        }
        add(Kind.OPERATOR, operator);
        advance(position + operator.length());
    }

    private void number() {
        int stop = digits(position);
        boolean whole = true;
        boolean afterDot = position > 0 && source.charAt(position - 1) == '.';
        if (!afterDot && isDigit(stop + 1) && source.charAt(stop) == '.') {
            stop = digits(stop + 1);
            whole = false;
        }
        if (!afterDot && stop < source.length() && (source.charAt(stop) | 0x20) == 'e') {
            int exponent = stop + 1;
            if (exponent < source.length() && (source.charAt(exponent) == '+' || source.charAt(exponent) == '-')) {
                exponent++;
            }
            if (isDigit(exponent)) {
                stop = digits(exponent);
                whole = false;
            }
        }
        if (!whole) {
            add(Kind.NUMBER, Double.valueOf(source.substring(position, stop).replace("_", "")));
            advance(stop);
            return;
        }
        integer(stop);
    }

    private void integer(int decimalStop) {
        int radix = source.charAt(position) != '0' || position + 1 >= source.length()
                ? 10
                : switch (source.charAt(position + 1) | 0x20) {
                    case 'x' -> 16;
                    case 'o' -> 8;
                    case 'b' -> 2;
                    default -> 10;
                };
        int start = radix == 10 ? position : position + 2;
        int stop = radix == 10 ? decimalStop : start;
        while (radix != 10
                && stop < source.length()
                && (Character.digit(source.charAt(stop), radix) >= 0 || source.charAt(stop) == '_')) {
            stop++;
        }
        String text = source.substring(start, stop).replace("_", "");
        boolean octalLook = radix == 10 && text.length() > 1 && text.charAt(0) == '0' && !text.matches("0+");
        if (text.isEmpty() || octalLook || text.length() > Numbers.MAX_DIGITS) {
            throw new JinjaError("invalid or too long number '" + text + "'");
        }
        add(Kind.NUMBER, Numbers.of(new BigInteger(text, radix)));
        advance(stop);
    }

    private boolean isDigit(int at) {
        return at < source.length() && source.charAt(at) >= '0' && source.charAt(at) <= '9';
    }

    private int digits(int from) {
        int i = from;
        while (isDigit(i) || (i < source.length() && source.charAt(i) == '_' && isDigit(i + 1))) {
            i++;
        }
        return i;
    }

    private void string(char quote) {
        int i = position + 1;
        while (i < source.length() && source.charAt(i) != quote) {
            i += source.charAt(i) == '\\' ? 2 : 1;
        }
        if (i >= source.length()) {
            throw new JinjaError("unexpected char " + PythonText.quote(String.valueOf(quote)) + " at " + position);
        }
        add(Kind.STRING, Escapes.decode(source.substring(position + 1, i)));
        advance(i + 1);
    }

    private void add(Kind kind, Object value) {
        tokens.add(new Token(kind, value, line));
    }

    private void advance(int to) {
        for (int i = position; i < to; i++) {
            if (source.charAt(i) == '\n') {
                line++;
            }
        }
        if (to > position) {
            lineStart = source.charAt(to - 1) == '\n';
        }
        position = to;
    }

    private static boolean isSpace(int c) {
        return PythonStrings.isSpace(c);
    }
}
