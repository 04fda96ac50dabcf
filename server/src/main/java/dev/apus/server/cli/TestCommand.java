package dev.apus.server.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs the test suite of a source tree. The launcher does it without starting Java; this is for the help, and for others who call. */
@Command(
        name = "test",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Run all tests and checks of the source tree, as CI does; with --backend cuda those of the GPU.")
final class TestCommand implements Callable<Integer> {
    @Option(
            names = "--backend",
            paramLabel = "NAME",
            description =
                    "cpu: all tests. cuda: on the GPU, the tests whose results depend on the device, and no others."
                            + " Default: cpu")
    private @Nullable String backend;

    @Parameters(paramLabel = "ARGS", description = "Further arguments for Maven.")
    private List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(".ci/test"));
        if (backend != null) {
            command.add("--backend=" + backend);
        }
        command.addAll(arguments);
        return SourceTree.run(command);
    }
}
