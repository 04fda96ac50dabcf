package dev.apus.server.cli;

import java.io.Console;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** What standard input is connected to. */
final class Terminal {
    private Terminal() {}

    /** Whether a person types. */
    static boolean interactive() {
        return console().isTerminal();
    }

    /** The terminal's own encoding; UTF-8 for pipes and files. */
    static Charset charset() {
        return interactive() ? console().charset() : StandardCharsets.UTF_8;
    }

    private static Console console() {
        return Objects.requireNonNull(System.console(), "a JDK since 22 always has a console");
    }
}
