package dev.apus.models.tokenizer;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What a model folder's configuration files add to a vocabulary file: tokens with ids of their own ({@code added_tokens_decoder} of
 * tokenizer_config.json, added_tokens.json), then those that have a role. It also answers for the switches of tokenizer_config.json.
 */
final class FolderTokens {
    private final String source;
    private final JsonNode config;
    private final JsonNode map;
    private final JsonNode numbered;

    FolderTokens(String source, FolderIds folder) {
        this.source = source;
        this.config = folder.file("tokenizer_config.json");
        this.map = folder.file("special_tokens_map.json");
        this.numbered = folder.file("added_tokens.json");
    }

    /**
     * Adds those with ids to a vocabulary.
     *
     * @param normalized whether a token may be looked for in the normalized text if its entry says so; where a dummy prefix belongs to
     *     each part of a text, parts must be cut out of the raw text
     */
    void addNumbered(TokenTable table, boolean normalized) {
        for (Map.Entry<String, JsonNode> entry :
                config.path("added_tokens_decoder").properties()) {
            JsonNode token = entry.getValue();
            table.put(new AddedToken(
                    id(entry.getKey()),
                    token.isString() ? token.asString() : token.path("content").asString(""),
                    token.path("special").asBoolean(true),
                    match(token, normalized)));
        }
        for (Map.Entry<String, JsonNode> entry : numbered.properties()) {
            int id = entry.getValue().asInt(-1);
            if (table.id(entry.getKey()) != id) {
                table.put(new AddedToken(id, entry.getKey(), false));
            }
        }
    }

    /** Makes those with a role special; one that is in no vocabulary gets the next id, as in transformers. */
    void addNamed(TokenTable table) {
        named(config, table);
        named(map, table);
    }

    private static AddedToken.Match match(JsonNode token, boolean normalized) {
        return new AddedToken.Match(
                token.path("single_word").asBoolean(false),
                token.path("lstrip").asBoolean(false),
                token.path("rstrip").asBoolean(false),
                normalized && token.path("normalized").asBoolean(false));
    }

    private int id(String key) {
        try {
            return Integer.parseInt(key);
        } catch (NumberFormatException e) {
            throw new TokenizerException(
                    source + ": added_tokens_decoder of tokenizer_config.json has the key \"" + key
                            + "\", which is no id",
                    e);
        }
    }

    private static void named(JsonNode node, TokenTable table) {
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String key = entry.getKey();
            if (key.endsWith("_token")) {
                special(entry.getValue(), table);
            } else if (key.equals("additional_special_tokens") || key.equals("extra_special_tokens")) {
                for (JsonNode token : entry.getValue()) {
                    special(token, table);
                }
            }
        }
    }

    private static void special(JsonNode token, TokenTable table) {
        String content =
                token.isString() ? token.asString() : token.path("content").asString("");
        if (!content.isEmpty()) {
            table.special(content);
        }
    }

    /** A switch of tokenizer_config.json; {@code otherwise} if it is missing or null. */
    boolean flag(String key, boolean otherwise) {
        JsonNode value = config.path(key);
        return value.isBoolean() ? value.asBoolean() : otherwise;
    }

    /** A text of tokenizer_config.json, or null. */
    @Nullable
    String text(String key) {
        JsonNode value = config.path(key);
        return value.isString() ? value.asString() : null;
    }
}
