package dev.apus.server.cli;

import java.io.Console;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** What standard input is connected to. */
final class Terminal {
    private Terminal() {}

    /** Whether a person types. */
    static boolean interactive() {
        Console console = console();
        return console != null && console.isTerminal();
    }

    /** The terminal's own encoding; UTF-8 for pipes and files. */
    static Charset charset() {
        Console console = console();
        return console != null && console.isTerminal() ? console.charset() : StandardCharsets.UTF_8;
    }

    /** JDK 22 to 24 have a console always, which may be no terminal; JDK 25 has none again where a stream is redirected. */
    @SuppressWarnings("SystemConsoleNull")
    private static @Nullable Console console() {
        return System.console();
    }
}
