package dev.apus.loaders;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * A {@code model.safetensors.index.json}: which shard holds which tensor.
 *
 * @param file the index file
 * @param weightMap tensor name to file name, in the index's order
 */
record SafetensorsIndex(Path file, Map<String, String> weightMap) {
    private static final long MAX_BYTES = 100_000_000; // as much as a whole safetensors header may have
    private static final int MAX_SHARDS = 10_000; // the largest models published have a few hundred

    /** @throws CheckpointException if the file cannot be read or is no index */
    static SafetensorsIndex read(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            if (file.size() > MAX_BYTES) {
                throw new CheckpointException(
                        path + ": has " + file.size() + " bytes; an index may have at most " + MAX_BYTES);
            }
            try (JsonParser json = StrictJson.parser(file.bytes())) {
                return new SafetensorsIndex(path, parse(path, json));
            } catch (JacksonException e) {
                throw new CheckpointException(path + ": index is no valid JSON: " + StrictJson.reason(e), e);
            }
        }
    }

    /** The {@code .safetensors} files of a folder, by name. */
    static List<Path> filesOf(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(f -> f.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new CheckpointException(folder + " cannot be listed: " + e.getMessage(), e);
        }
    }

    Path folder() {
        Path parent = file.getParent();
        return parent == null ? Path.of("") : parent;
    }

    /** The shards' file names, in the order of first mention. */
    Set<String> shards() {
        return new LinkedHashSet<>(weightMap.values());
    }

    private static Map<String, String> parse(Path path, JsonParser json) {
        if (json.nextToken() != JsonToken.START_OBJECT) {
            throw new CheckpointException(path + ": index is not a JSON object");
        }
        Map<String, String> weightMap = null;
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = json.currentName();
            JsonToken value = json.nextToken();
            if (!key.equals("weight_map")) {
                json.skipChildren();
            } else if (weightMap != null) {
                throw new CheckpointException(path + ": weight_map is there twice");
            } else if (value != JsonToken.START_OBJECT) {
                throw new CheckpointException(path + ": weight_map is " + StrictJson.kind(value) + ", not an object");
            } else {
                weightMap = parseWeightMap(path, json);
            }
        }
        if (json.nextToken() != null) {
            throw new CheckpointException(path + ": index goes on behind its closing brace");
        }
        if (weightMap == null) {
            throw new CheckpointException(path + ": index has no weight_map");
        }
        return Collections.unmodifiableMap(weightMap);
    }

    private static Map<String, String> parseWeightMap(Path path, JsonParser json) {
        Map<String, String> weightMap = new LinkedHashMap<>();
        Set<String> seen = new LinkedHashSet<>();
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = json.currentName();
            JsonToken value = json.nextToken();
            String where = path + ": weight_map of tensor " + Messages.quote(name);
            if (value != JsonToken.VALUE_STRING) {
                throw new CheckpointException(where + " is " + StrictJson.kind(value) + ", not a file name");
            }
            String shard = json.getString();
            if (seen.add(shard)) {
                checkShardName(where, shard);
            }
            if (seen.size() > MAX_SHARDS) {
                throw new CheckpointException(path + ": weight_map names more than " + MAX_SHARDS + " files");
            }
            if (weightMap.put(name, shard) != null) {
                throw new CheckpointException(where + " is there twice");
            }
        }
        return weightMap;
    }

    /** A shard lies beside its index: a name that leads elsewhere is hostile. */
    private static void checkShardName(String where, String shard) {
        boolean plain = shard.endsWith(".safetensors")
                && shard.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || Character.isISOControl(c));
        if (!plain) {
            throw new CheckpointException(
                    where + " names " + Messages.quote(shard) + ", which is not a .safetensors file beside the index");
        }
    }
}
