package dev.apus.server.cli;

import dev.apus.server.aot.TrainingRun;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What the launcher runs under {@code -XX:AOTCacheOutput}: a start and a few answers without a model of the user's. */
@Command(
        name = "aot-train",
        hidden = true,
        mixinStandardHelpOptions = true,
        description = "Serve a tiny model once, for the JVM to make an AOT cache of.")
final class AotTrainCommand implements Callable<Integer> {
    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Override
    public Integer call() throws IOException {
        // A start parses serve's options too.
        Main.commands("serve").parseArgs("serve", "--port", "0");
        new TrainingRun(engine.openBackend(), engine.options()).run();
        return 0;
    }
}
