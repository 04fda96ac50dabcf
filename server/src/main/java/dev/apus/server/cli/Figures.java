package dev.apus.server.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/** Prints what a benchmark found. */
final class Figures {
    private Figures() {}

    /** One line a figure on standard output, and one JSON object in {@code file} unless that is null. */
    static void print(Map<String, Double> figures, @Nullable Path file) {
        figures.forEach((name, value) -> System.out.printf(Locale.ROOT, "%-28s %14.3f%n", name, value));
        if (file != null) {
            try {
                Files.writeString(file, JsonMapper.shared().writeValueAsString(figures) + "\n");
            } catch (IOException e) {
                throw new UserException("--output-json " + file + " cannot be written: " + e.getMessage(), e);
            }
        }
    }
}
