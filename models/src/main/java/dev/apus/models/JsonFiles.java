package dev.apus.models;

import dev.apus.loaders.CheckpointException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.json.JsonMapper;

/** Reads the small JSON files beside a checkpoint, with limits fit for files of unknown origin. */
final class JsonFiles {
    /** tokenizer_config.json of models with thousands of added tokens has a few hundred KB. */
    private static final long MAX_BYTES = 16L << 20;
    /** quantization_config nests five deep; a parser that recurses must not be led further. */
    private static final int MAX_DEPTH = 64;
    /** No number of a configuration needs more digits. */
    private static final int MAX_DIGITS = 100;

    private final JsonMapper mapper;

    JsonFiles() {
        JsonFactory factory = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(MAX_DEPTH)
                        .maxNumberLength(MAX_DIGITS)
                        .build())
                // Python's json module writes Infinity and NaN
                .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                .build();
        mapper = JsonMapper.builder(factory).build();
    }

    /** A text file of at most 16 MiB. */
    static String text(Path file) {
        try {
            long size = Files.size(file);
            if (size > MAX_BYTES) {
                throw new CheckpointException(file + " has " + size + " bytes; at most " + MAX_BYTES + " are read");
            }
            return Files.readString(file);
        } catch (CharacterCodingException e) {
            throw new CheckpointException(file + " is not UTF-8 text", e);
        } catch (NoSuchFileException e) {
            throw new CheckpointException(
                    file + " is missing; a model's folder needs it beside its weights: fetch the whole folder", e);
        } catch (IOException e) {
            throw new CheckpointException(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** The object that {@code file} holds, without null members. */
    Map<String, Object> object(Path file) {
        if (value(file) instanceof Map<?, ?> map) {
            Map<String, Object> out = new LinkedHashMap<>();
            map.forEach((key, value) -> {
                if (value != null) {
                    out.put(String.valueOf(key), value);
                }
            });
            return out;
        }
        throw new CheckpointException(file + " does not hold a JSON object");
    }

    /** The list that {@code file} holds. */
    List<?> list(Path file) {
        if (value(file) instanceof List<?> list) {
            return list;
        }
        throw new CheckpointException(file + " does not hold a JSON list");
    }

    private @Nullable Object value(Path file) {
        try {
            return mapper.readValue(text(file), Object.class);
        } catch (JacksonException e) {
            throw new CheckpointException(file + " is no valid JSON: " + ConfigReader.quote(e.getOriginalMessage()), e);
        }
    }
}
