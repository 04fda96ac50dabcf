package dev.apus.server.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Makes an image that runs where no JDK is. */
@Command(
        name = "dist",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Make a self-contained image (runtime, jars, launcher) and pack it.")
final class DistCommand implements Callable<Integer> {
    @Parameters(arity = "0..1", paramLabel = "FOLDER", defaultValue = "dist", description = "Default: ${DEFAULT-VALUE}")
    private Path folder = Path.of("dist");

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path target = folder.toAbsolutePath();
        return SourceTree.run(List.of("server/src/main/launcher/dist.sh", target.toString()));
    }
}
