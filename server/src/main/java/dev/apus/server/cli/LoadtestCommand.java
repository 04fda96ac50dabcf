package dev.apus.server.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** Load tests of a source tree. The launcher runs them without this process; this is for the help, and for others who call. */
@Command(
        name = "loadtest",
        versionProvider = Version.class,
        description = "Load tests of a running server, with Gatling: needs the source tree.")
final class LoadtestCommand implements Callable<Integer> {
    @Unmatched
    private List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("./apus", "loadtest"));
        command.addAll(arguments);
        return SourceTree.run(command);
    }
}
