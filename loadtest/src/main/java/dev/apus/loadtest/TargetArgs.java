package dev.apus.loadtest;

import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that name the server. */
final class TargetArgs {
    @Option(
            names = "--url",
            paramLabel = "URL",
            defaultValue = "http://127.0.0.1:8000",
            description = "The server; certificates are not checked. Default: ${DEFAULT-VALUE}")
    private URI url = URI.create("http://127.0.0.1:8000");

    @Option(names = "--model", paramLabel = "NAME", description = "Model to ask for. Default: the server's first")
    private @Nullable String model;

    @Option(
            names = "--api-key",
            paramLabel = "KEY",
            split = ",",
            description =
                    "API keys; tenants take them in turn, the greedy one the last. Default: APUS_API_KEY, else none")
    private List<String> keys = new ArrayList<>();

    @Option(
            names = "--endpoint",
            paramLabel = "PATH",
            defaultValue = Target.CHAT,
            description = Target.CHAT + " or " + Target.COMPLETIONS + ". Default: ${DEFAULT-VALUE}")
    private String endpoint = Target.CHAT;

    @Option(
            names = "--ignore-eos",
            description = "Send ignore_eos, so that answers have their full length: Apus, vLLM and llama.cpp know it.")
    private boolean ignoreEos;

    /** The server that these name; asks it for its model if none is named. */
    Target target() throws IOException, InterruptedException {
        return target(url, given());
    }

    /** The same server with a key. */
    Target target(String key) throws IOException, InterruptedException {
        return target(url, List.of(key));
    }

    /** The same without asking the server for its model. */
    Target withoutModel(String key) {
        return new Target(url, model == null ? "" : model, List.of(key), endpoint, ignoreEos);
    }

    /** The same options for a server at another address, with other keys. */
    Target target(URI at, List<String> itsKeys) throws IOException, InterruptedException {
        Target target = new Target(at, model == null ? "" : model, itsKeys, endpoint, ignoreEos);
        if (model != null) {
            return target;
        }
        try (ApiClient client = new ApiClient(target)) {
            return target.withModel(client.firstModel(target.key()));
        }
    }

    /** Keys of the command line, else of the environment. */
    List<String> given() {
        String other = System.getenv("APUS_API_KEY");
        return keys.isEmpty() && other != null && !other.isBlank() ? List.of(other.split(",")) : List.copyOf(keys);
    }
}
