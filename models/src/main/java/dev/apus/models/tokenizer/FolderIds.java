package dev.apus.models.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * Special ids from a model folder's configuration files. The end of a generation is the tokenizer's EOS and all that
 * {@code generation_config.json} lists; {@code config.json} counts only where that file names none, as it is often left unedited.
 */
final class FolderIds {
    private final Path folder;

    FolderIds(Path folder) {
        this.folder = folder;
    }

    SpecialIds read(Vocabulary vocabulary) {
        JsonNode tokenizer = file("tokenizer_config.json");
        JsonNode map = file("special_tokens_map.json");
        JsonNode generation = file("generation_config.json");
        JsonNode config = file("config.json");
        List<JsonNode> numbered = List.of(generation, config, config.path("text_config"));
        Set<Integer> eos = new LinkedHashSet<>();
        int named = named("eos_token", List.of(tokenizer, map), vocabulary);
        if (named >= 0) {
            eos.add(named);
        }
        for (JsonNode node : numbered) {
            if (numbers(node.path("eos_token_id"), eos)) {
                break;
            }
        }
        return new SpecialIds(
                one("bos_token", List.of(tokenizer, map), numbered, vocabulary),
                List.copyOf(eos),
                one("pad_token", List.of(tokenizer, map), numbered, vocabulary));
    }

    private static int one(String key, List<JsonNode> texts, List<JsonNode> numbered, Vocabulary vocabulary) {
        int id = named(key, texts, vocabulary);
        for (int i = 0; id < 0 && i < numbered.size(); i++) {
            id = numbered.get(i).path(key + "_id").asInt(-1);
        }
        return id;
    }

    /** The id of a token given as text or as {@code {"content": text}}; -1 if it is not given or not in the vocabulary. */
    private static int named(String key, List<JsonNode> nodes, Vocabulary vocabulary) {
        for (JsonNode node : nodes) {
            JsonNode value = node.path(key);
            String text =
                    value.isString() ? value.asString() : value.path("content").asString("");
            if (!text.isEmpty()) {
                return vocabulary.id(text);
            }
        }
        return -1;
    }

    private static boolean numbers(JsonNode value, Set<Integer> ids) {
        boolean any = false;
        for (JsonNode node : value.isArray() ? value : List.of(value)) {
            if (node.isIntegralNumber() && node.asInt(-1) >= 0) {
                ids.add(node.asInt());
                any = true;
            }
        }
        return any;
    }

    /** A configuration file, or a missing node where there is none. */
    JsonNode file(String name) {
        Path path = folder.resolve(name);
        if (!Files.isRegularFile(path)) {
            return MissingNode.getInstance();
        }
        try {
            return TokenizerJson.mapper().readTree(Files.readString(path));
        } catch (JacksonException e) {
            throw new TokenizerException(path + ": not valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new TokenizerException(path + ": cannot be read: " + e, e);
        }
    }
}
