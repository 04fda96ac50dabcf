package dev.apus.server.cli;

/** A table of names and what is said of each, in a terminal's width. */
final class Rows {
    private static final int NAME = 13;
    private static final int WIDTH = 100;

    private Rows() {}

    /** A row of lines that end; a value that is too long goes on below its beginning, words are kept whole. */
    static String of(String name, String value) {
        String indent = " ".repeat(NAME + 1);
        StringBuilder out = new StringBuilder(String.format("%-" + NAME + "s", name));
        int column = out.length();
        boolean begins = true;
        for (String word : value.split(" ", -1)) {
            if (!begins && column + 1 + word.length() > WIDTH) {
                out.append(System.lineSeparator()).append(indent).append(word);
                column = indent.length() + word.length();
            } else {
                out.append(' ').append(word);
                column += 1 + word.length();
            }
            begins = false;
        }
        return out.append(System.lineSeparator()).toString();
    }
}
