package dev.apus.models.chat;

/** Backslash escapes of Python string literals. */
final class Escapes {
    private Escapes() {}

    static String decode(String literal) {
        if (literal.indexOf('\\') < 0) {
            return literal;
        }
        StringBuilder out = new StringBuilder(literal.length());
        int i = 0;
        while (i < literal.length()) {
            char c = literal.charAt(i);
            if (c != '\\') {
                out.append(c);
                i++;
            } else {
                i = escape(literal, i + 1, out);
            }
        }
        return out.toString();
    }

    /** Decodes the escape whose letter is at {@code i}; returns where it ends. An unknown escape stays as it is written. */
    private static int escape(String s, int i, StringBuilder out) {
        char c = s.charAt(i);
        switch (c) {
            case '\n' -> {
                // A backslash before a newline joins the lines.
            }
            case '\\', '\'', '"' -> out.append(c);
            case 'n' -> out.append('\n');
            case 't' -> out.append('\t');
            case 'r' -> out.append('\r');
            case 'a' -> out.append('\u0007');
            case 'b' -> out.append('\b');
            case 'f' -> out.append('\f');
            case 'v' -> out.append('\u000b');
            case 'x' -> {
                return hex(s, i, 2, out);
            }
            case 'u' -> {
                return hex(s, i, 4, out);
            }
            case 'U' -> {
                return hex(s, i, 8, out);
            }
            case 'N' -> {
                return named(s, i, out);
            }
            default -> {
                if (c >= '0' && c <= '7') {
                    return octal(s, i, out);
                }
                out.append('\\').append(c);
            }
        }
        return i + 1;
    }

    private static int hex(String s, int i, int digits, StringBuilder out) {
        int end = i + 1 + digits;
        int code = 0;
        for (int k = i + 1; k < end; k++) {
            int digit = k < s.length() ? Character.digit(s.charAt(k), 16) : -1;
            if (digit < 0 || code > (Character.MAX_CODE_POINT >> 4)) {
                throw new JinjaError("truncated or illegal \\" + s.charAt(i) + " escape in a string");
            }
            code = code << 4 | digit;
        }
        if (code > Character.MAX_CODE_POINT) {
            throw new JinjaError("illegal Unicode character in a string escape");
        }
        out.appendCodePoint(code);
        return end;
    }

    private static int octal(String s, int i, StringBuilder out) {
        int code = 0;
        int end = i;
        while (end < s.length() && end < i + 3 && s.charAt(end) >= '0' && s.charAt(end) <= '7') {
            code = code * 8 + s.charAt(end++) - '0';
        }
        out.appendCodePoint(code);
        return end;
    }

    private static int named(String s, int i, StringBuilder out) {
        int close = s.indexOf('}', i);
        if (!s.startsWith("{", i + 1) || close < 0) {
            throw new JinjaError("malformed \\N character escape");
        }
        try {
            out.appendCodePoint(Character.codePointOf(s.substring(i + 2, close)));
        } catch (IllegalArgumentException e) {
            throw new JinjaError("unknown Unicode character name " + s.substring(i + 2, close));
        }
        return close + 1;
    }
}
