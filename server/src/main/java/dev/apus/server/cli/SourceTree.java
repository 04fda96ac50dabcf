package dev.apus.server.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The source tree that this process was built from, for the commands that build. */
final class SourceTree {
    private SourceTree() {}

    /** @throws UserException if this is an image, which has no sources */
    static Path root() {
        Path app = Path.of(System.getProperty("apus.app", ""));
        Path root = app.toAbsolutePath().normalize();
        for (int i = 0; i < 3 && root != null; i++) {
            root = root.getParent();
        }
        if (root == null || !Files.isExecutable(root.resolve("apus"))) {
            throw new UserException("this command needs the source tree: run it as ./apus in a clone");
        }
        return root;
    }

    /** Runs a command in the root, its output on ours, and returns its exit status. */
    static int run(List<String> command) throws IOException, InterruptedException {
        return new ProcessBuilder(command)
                .directory(root().toFile())
                .inheritIO()
                .start()
                .waitFor();
    }
}
