package dev.apus.models.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Folders in the shape of a repository: whether a whole model is there, and what an index names. */
final class Snapshots {
    /** Sharded models name each tensor; the largest published indexes have some ten megabytes. */
    static final long MAX_INDEX_BYTES = 100_000_000;

    /** Folders of a folder of weights nest once or twice; JSON that nests deeper than this is made to exhaust the stack. */
    private static final int MAX_DEPTH = 64;

    private Snapshots() {}

    /** The model in {@code folder} if all of its weights are there: the folder, or one GGUF file. */
    static Optional<Path> model(Path folder, @Nullable String variant) {
        List<String> paths = HuggingFaceCache.pathsBelow(folder);
        if (variant == null && paths.contains("config.json") && weightsAreWhole(folder, paths)) {
            return Optional.of(folder);
        }
        if (ModelFiles.ggufModels(paths).isEmpty()) {
            return Optional.empty();
        }
        try {
            List<String> parts = ModelFiles.chooseGguf(folder.toString(), paths, variant);
            boolean whole = parts.size() == ModelFiles.partsOf(parts.getFirst());
            return whole ? Optional.of(folder.resolve(parts.getFirst())) : Optional.empty();
        } catch (HubException e) {
            return Optional.empty(); // another of the repository's files: the hub is asked
        }
    }

    private static boolean weightsAreWhole(Path folder, List<String> paths) {
        if (paths.contains(ModelFiles.SINGLE)) {
            return true;
        }
        if (!paths.contains(ModelFiles.INDEX)) {
            return !ModelFiles.plainSafetensors(paths).isEmpty();
        }
        return paths.containsAll(shards(folder.resolve(ModelFiles.INDEX)));
    }

    /**
     * The shards that an index names.
     *
     * @throws HubException if it is no index
     */
    static Set<String> shards(Path index) {
        try {
            if (Files.size(index) > MAX_INDEX_BYTES) {
                throw new HubException(
                        index + " has " + Files.size(index) + " bytes; an index has less than " + MAX_INDEX_BYTES);
            }
            JsonNode map = parse(Files.readAllBytes(index), index.toString()).path("weight_map");
            Set<String> shards = new LinkedHashSet<>();
            for (JsonNode shard : map) {
                shards.add(shard.asString(""));
            }
            if (shards.isEmpty()) {
                throw new HubException(index + " names no shards (weight_map is missing or empty)");
            }
            return shards;
        } catch (IOException e) {
            throw new HubException(index + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** @throws HubException if {@code bytes} are no JSON; {@code source} is named */
    static JsonNode parse(byte[] bytes, String source) {
        JsonFactory factory = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(MAX_DEPTH)
                        .build())
                .build();
        try {
            JsonNode node = JsonMapper.builder(factory).build().readTree(bytes);
            if (node.isObject()) {
                return node;
            }
        } catch (JacksonException e) {
            throw new HubException(
                    source + " answers with something that is no JSON"
                            + (bytes.length > 0 && bytes[0] == '<'
                                    ? " but a web page; a proxy or log-in page may stand between"
                                    : "")
                            + ": " + Names.quote(String.valueOf(e.getOriginalMessage())),
                    e);
        }
        throw new HubException(source + " answers with JSON that is no object");
    }
}
