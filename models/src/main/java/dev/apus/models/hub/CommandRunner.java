package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Runs a package manager's client; tests put a fake one in its place. */
interface CommandRunner {
    /**
     * How a command ended.
     *
     * @param exitCode 0 for success
     * @param output the end of what it wrote to standard output and standard error together
     */
    record Result(int exitCode, String output) {}

    /**
     * Runs {@code command} in {@code folder} to its end, with this process's environment and no input.
     *
     * @throws IOException if the program does not exist or cannot be started
     * @throws InterruptedException if the thread was interrupted; the command has been ended then
     */
    Result run(List<String> command, Path folder) throws IOException, InterruptedException;
}
