package dev.apus.server.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Fetches a model. */
@Command(
        name = "download",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Fetch a model and print where it lies.")
final class DownloadCommand implements Callable<Integer> {
    @Mixin
    private ModelArgs model = new ModelArgs();

    @Override
    public Integer call() {
        System.out.println(model.resolve());
        return 0;
    }
}
