package dev.apus.loaders;

import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/** Wording shared by the readers' errors: names from a file may be hostile, so they are escaped and cut before they are shown. */
final class Messages {
    private static final int MAX_SHOWN = 120;
    private static final int MAX_CANDIDATES = 100_000;

    private Messages() {}

    /** {@code text} in single quotes, control characters escaped, cut after 120 characters. */
    static String quote(String text) {
        StringBuilder out = new StringBuilder("'");
        int shown = Math.min(text.length(), MAX_SHOWN);
        for (int i = 0; i < shown; i++) {
            char c = text.charAt(i);
            if (Character.isISOControl(c)) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        if (shown < text.length()) {
            out.append("... (").append(text.length()).append(" characters)");
        }
        return out.append('\'').toString();
    }

    /** " Similar names: ..." with up to three of {@code names} nearest to {@code wanted}, or the number of tensors there are. */
    static String suggestions(String wanted, Collection<String> names) {
        record Scored(String name, int distance) {}
        int limit = Math.max(4, wanted.length() / 2);
        List<Scored> near = names.stream()
                .limit(MAX_CANDIDATES)
                .filter(name -> Math.abs(name.length() - wanted.length()) <= limit)
                .map(name -> new Scored(name, editDistance(name, wanted)))
                .filter(scored -> scored.distance() <= limit)
                .sorted(Comparator.comparingInt(Scored::distance))
                .limit(3)
                .toList();
        if (near.isEmpty()) {
            return " (the checkpoint has " + names.size() + " tensors, none of a similar name)";
        }
        return near.stream().map(s -> quote(s.name())).collect(Collectors.joining(", ", "; similar names: ", ""));
    }

    /** Levenshtein distance in one row of memory. */
    private static int editDistance(String a, String b) {
        int[] row = new int[b.length() + 1];
        Arrays.setAll(row, j -> j);
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int substitute = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(substitute, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
