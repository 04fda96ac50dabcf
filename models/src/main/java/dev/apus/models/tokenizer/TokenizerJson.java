package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What Apus itself needs of a {@code tokenizer.json}: vocabulary, added tokens, decoder. Read in one pass that skips the merges, as these
 * files run to tens of megabytes.
 */
final class TokenizerJson implements EngineText {
    /** Vocabularies have at most a few hundred thousand ids; a larger one is a damaged or hostile file. */
    static final int MAX_ID = 16_000_000;

    private static final JsonMapper MAPPER = new JsonMapper(JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(100)
                    .maxStringLength(100_000_000)
                    .build())
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
            .build());
    /** Reads one value and leaves what follows to the streaming reader. */
    private static final ObjectReader TREE = MAPPER.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final String source;
    private final String text;
    private @Nullable ArrayNode addedNode;
    private int addedFrom = -1;
    private int addedTo = -1;
    private @Nullable JsonNode decoder;
    private @Nullable String[] model = new String[0];
    private boolean unigram;
    /** Where the strings of a Unigram vocabulary start and end in the text, by id. */
    private int[] spans = new int[0];

    private int[] ends = new int[0];

    /** @param source names the file in messages */
    TokenizerJson(String source, String text) {
        this.source = source;
        this.text = text;
        try (JsonParser parser = MAPPER.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw fault("is not a JSON object");
            }
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                property(parser);
            }
        } catch (JacksonException e) {
            throw new TokenizerException(source + ": not valid JSON: " + e.getOriginalMessage(), e);
        }
    }

    static JsonMapper mapper() {
        return MAPPER;
    }

    private void property(JsonParser parser) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
            case "added_tokens" -> {
                addedFrom = offset(parser);
                JsonNode node = TREE.readTree(parser);
                addedNode = node instanceof ArrayNode array ? array : null;
                addedTo = offset(parser) + 1;
            }
            case "decoder" -> decoder = TREE.readTree(parser);
            case "normalizer" -> checkRules(TREE.readTree(parser));
            case "model" -> model(parser);
            default -> parser.skipChildren();
        }
    }

    /** Compiled rules are the one part of the file that the engine trusts. */
    private void checkRules(JsonNode normalizer) {
        JsonNode map = normalizer.path("precompiled_charsmap");
        if (map.isString()) {
            try {
                CharsMap.check(source, Base64.getDecoder().decode(map.asString()));
            } catch (IllegalArgumentException e) {
                throw new TokenizerException(source + ": precompiled_charsmap is not base64: " + e.getMessage(), e);
            }
        }
        for (JsonNode step : normalizer.path("normalizers")) {
            checkRules(step);
        }
    }

    private static int offset(JsonParser parser) {
        return (int) parser.currentTokenLocation().getCharOffset();
    }

    private void model(JsonParser parser) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw fault("has no model object");
        }
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            boolean vocab = parser.currentName().equals("vocab");
            JsonToken value = parser.nextToken();
            if (vocab && value == JsonToken.START_OBJECT) {
                while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                    String token = parser.currentName();
                    parser.nextToken();
                    put(parser.getIntValue(), token);
                }
            } else if (vocab && value == JsonToken.START_ARRAY) {
                unigramVocabulary(parser);
            } else {
                parser.skipChildren();
            }
        }
    }

    private void unigramVocabulary(JsonParser parser) {
        unigram = true;
        int id = 0;
        while (parser.nextToken() == JsonToken.START_ARRAY) {
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw fault("has a Unigram vocabulary entry without a string, id " + id);
            }
            if (id >= spans.length) {
                spans = Arrays.copyOf(spans, Math.max(1024, 2 * id));
                ends = Arrays.copyOf(ends, spans.length);
            }
            spans[id] = offset(parser);
            put(id, parser.getString());
            ends[id] = closingQuote(spans[id]);
            id++;
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                parser.skipChildren();
            }
        }
    }

    private int closingQuote(int from) {
        int i = from + 1;
        while (text.charAt(i) != '"') {
            i += text.charAt(i) == '\\' ? 2 : 1;
        }
        return i + 1;
    }

    private void put(int id, String token) {
        if (id < 0 || id > MAX_ID) {
            throw fault("gives a token the id " + id + "; allowed are 0 to " + MAX_ID);
        }
        if (id >= model.length) {
            model = Arrays.copyOf(model, Math.max(id + 1, 2 * model.length));
        }
        model[id] = token;
    }

    private TokenizerException fault(String what) {
        return new TokenizerException(source + ": the tokenizer " + what);
    }

    @Override
    public String text() {
        return text;
    }

    @Nullable
    JsonNode decoder() {
        return decoder;
    }

    Vocabulary vocabulary() {
        int size = model.length;
        while (size > 0 && model[size - 1] == null) {
            size--;
        }
        return new Vocabulary(Arrays.copyOf(model, size), addedTokens());
    }

    private List<AddedToken> addedTokens() {
        List<AddedToken> tokens = new ArrayList<>();
        if (addedNode != null) {
            for (JsonNode node : addedNode) {
                int id = node.path("id").asInt(-1);
                if (id < 0 || id > MAX_ID) {
                    throw fault("has an added token with the id " + node.path("id") + "; allowed are 0 to " + MAX_ID);
                }
                tokens.add(new AddedToken(
                        id,
                        node.path("content").asString(""),
                        node.path("special").asBoolean(false)));
            }
        }
        return tokens;
    }

    /**
     * {@inheritDoc}
     *
     * <p>Special tokens that the model's vocabulary holds are dropped. The others must stay, as the library numbers added tokens by their order,
     * so they get a text that no input can hold: it carries a fresh random number. A Unigram model would find a dropped token's text in
     * its own vocabulary, so it is renamed there too.
     */
    @Override
    public @Nullable String plain() {
        Set<String> known = new HashSet<>(Arrays.asList(model));
        Set<String> special = new HashSet<>();
        ArrayNode kept = MAPPER.createArrayNode();
        String salt = "\uE000" + UUID.randomUUID() + "-";
        for (JsonNode node : addedNode == null ? MAPPER.createArrayNode() : addedNode) {
            String content = node.path("content").asString("");
            if (!node.path("special").asBoolean(false)) {
                kept.add(node);
                continue;
            }
            special.add(content);
            if (!known.contains(content)) {
                kept.add(((ObjectNode) node.deepCopy()).put("content", salt + node.path("id")));
            }
        }
        if (special.isEmpty()) {
            return null;
        }
        StringBuilder out = new StringBuilder(text.length() + 1024);
        List<Edit> edits = new ArrayList<>(List.of(new Edit(addedFrom, addedTo, MAPPER.writeValueAsString(kept))));
        for (int id = 0; unigram && id < model.length; id++) {
            if (model[id] != null && special.contains(model[id])) {
                edits.add(new Edit(spans[id], ends[id], MAPPER.writeValueAsString(salt + id)));
            }
        }
        edits.sort((a, b) -> Integer.compare(a.from, b.from));
        int at = 0;
        for (Edit edit : edits) {
            out.append(text, at, edit.from).append(edit.replacement);
            at = edit.to;
        }
        return out.append(text, at, text.length()).toString();
    }

    private record Edit(int from, int to, String replacement) {}
}
