package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Compiles C into shared libraries for tests; skips the test on a machine without a C compiler. */
public final class NativeCode {
    private static final long MOST_SECONDS = 60;

    private NativeCode() {}

    /** Compiles a source into the library {@code file}. */
    public static void library(String source, Path file, String... options) throws IOException, InterruptedException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        Path text = Files.writeString(Files.createTempFile("apus-fixture-", ".c"), source);
        try {
            List<String> command = new ArrayList<>(List.of("gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o"));
            Collections.addAll(command, file.toString(), text.toString());
            Collections.addAll(command, options);
            Process gcc;
            try {
                gcc = new ProcessBuilder(command).redirectErrorStream(true).start();
            } catch (IOException e) {
                abort("there is no gcc here to compile a stand-in library: " + e.getMessage());
                return;
            }
            String output = new String(gcc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(gcc.waitFor(MOST_SECONDS, TimeUnit.SECONDS)).isTrue();
            assertThat(gcc.exitValue()).as(output).isZero();
        } finally {
            Files.deleteIfExists(text);
        }
    }

    static String resource(String name) throws IOException {
        try (InputStream in = NativeCode.class.getResourceAsStream(name)) {
            assertThat(in).as(name).isNotNull();
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
