package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.List;

/** Python's idea of a string, a sequence of code points, over Java's UTF-16. */
final class PythonStrings {
    private PythonStrings() {}

    /** Python's str.isspace() and the regex {@code \s}: Unicode white space and the separators 0x1c to 0x1f. */
    static boolean isSpace(int c) {
        if (c < 128) {
            return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f);
        }
        return c == 0x85 || Character.isSpaceChar(c);
    }

    /** The number of code points. */
    static int length(String s) {
        return s.codePointCount(0, s.length());
    }

    static boolean isBmp(String s) {
        return length(s) == s.length();
    }

    /** The UTF-16 index of code point {@code index}. */
    static int offset(String s, int index) {
        return isBmp(s) ? index : s.offsetByCodePoints(0, index);
    }

    /** The code points as strings. */
    static List<Object> characters(String s) {
        List<Object> out = new ArrayList<>(s.length());
        for (int i = 0; i < s.length(); ) {
            int width = Character.charCount(s.codePointAt(i));
            out.add(s.substring(i, i + width));
            i += width;
        }
        return out;
    }

    static String strip(String s, boolean left, boolean right) {
        int start = 0;
        int stop = s.length();
        while (left && start < stop && isSpace(s.charAt(start))) {
            start++;
        }
        while (right && stop > start && isSpace(s.charAt(stop - 1))) {
            stop--;
        }
        return s.substring(start, stop);
    }

    /** Strips any of the characters of {@code set}. */
    static String strip(String s, String set, boolean left, boolean right) {
        int start = 0;
        int stop = s.length();
        while (left && start < stop && set.indexOf(s.codePointAt(start)) >= 0) {
            start += Character.charCount(s.codePointAt(start));
        }
        while (right && stop > start && set.indexOf(s.codePointBefore(stop)) >= 0) {
            stop -= Character.charCount(s.codePointBefore(stop));
        }
        return s.substring(start, stop);
    }

    /** Order by code points, which UTF-16 order is not where surrogates meet U+E000 and up. */
    static int compare(String a, String b) {
        int limit = Math.min(a.length(), b.length());
        for (int i = 0; i < limit; i++) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                boolean mixed = Character.isSurrogate(x) != Character.isSurrogate(y);
                return mixed ? (Character.isSurrogate(x) ? 1 : -1) : Character.compare(x, y);
            }
        }
        return Integer.compare(a.length(), b.length());
    }

    /** Lines without their ends; the ends are Python's, wider than Java's. */
    static List<String> splitLines(String s, boolean keepEnds) {
        List<String> lines = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            boolean end =
                    (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
            if (end) {
                int stop = i;
                if (c == '\r' && i + 1 < s.length() && s.charAt(i + 1) == '\n') {
                    i++;
                }
                lines.add(s.substring(start, keepEnds ? i + 1 : stop));
                start = i + 1;
            }
        }
        if (start < s.length()) {
            lines.add(s.substring(start));
        }
        return lines;
    }

    static boolean isCased(int c) {
        return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
    }

    /** str.capitalize(): the first character in title case, the rest in lower case. */
    static String capitalize(String s) {
        if (s.isEmpty()) {
            return s;
        }
        int first = s.offsetByCodePoints(0, 1);
        return titleCase(s.substring(0, first)) + lower(s.substring(first));
    }

    /** str.title(): every run of cased letters capitalised. */
    static String title(String s) {
        StringBuilder out = new StringBuilder(s.length());
        boolean inWord = false;
        for (int i = 0; i < s.length(); ) {
            int c = s.codePointAt(i);
            String letter = Character.toString(c);
            out.append(inWord ? lower(letter) : titleCase(letter));
            inWord = isCased(c);
            i += Character.charCount(c);
        }
        return out.toString();
    }

    static String titleCase(String letter) {
        int c = letter.codePointAt(0);
        int title = Character.toTitleCase(c);
        return title == c ? upper(letter) : Character.toString(title);
    }

    static String swapCase(String s) {
        StringBuilder out = new StringBuilder(s.length());
        s.codePoints().forEach(c -> {
            String letter = Character.toString(c);
            out.append(Character.isUpperCase(c) ? lower(letter) : upper(letter));
        });
        return out.toString();
    }

    static String lower(String s) {
        return s.toLowerCase(java.util.Locale.ROOT);
    }

    static String upper(String s) {
        return s.toUpperCase(java.util.Locale.ROOT);
    }
}
