package dev.apus.models.tokenizer;

import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;

/** Writes a {@code tokenizer.json} for a vocabulary that comes in another format. Fields not set are null. */
final class JsonBuilder {
    private final List<AddedToken> added = new ArrayList<>();
    private @Nullable Object normalizer;
    private @Nullable Object preTokenizer;
    private @Nullable Object decoder;
    private @Nullable Object postProcessor;

    JsonBuilder normalizer(@Nullable Object value) {
        normalizer = value;
        return this;
    }

    JsonBuilder preTokenizer(Object value) {
        preTokenizer = value;
        return this;
    }

    JsonBuilder decoder(Object value) {
        decoder = value;
        return this;
    }

    JsonBuilder add(AddedToken token) {
        added.add(token);
        return this;
    }

    /** Puts a token before and one after every prompt; -1 for none. */
    JsonBuilder around(int before, int after, List<String> tokens) {
        List<Object> single = new ArrayList<>();
        Map<String, Object> special = new LinkedHashMap<>();
        special(before, tokens, single, special);
        single.add(Map.of("Sequence", Map.of("id", "A", "type_id", 0)));
        special(after, tokens, single, special);
        List<Object> pair = new ArrayList<>(single);
        pair.add(Map.of("Sequence", Map.of("id", "B", "type_id", 1)));
        if (!special.isEmpty()) {
            postProcessor =
                    Map.of("type", "TemplateProcessing", "single", single, "pair", pair, "special_tokens", special);
        }
        return this;
    }

    private static void special(int id, List<String> tokens, List<Object> single, Map<String, Object> special) {
        if (id >= 0 && id < tokens.size()) {
            String text = tokens.get(id);
            single.add(Map.of("SpecialToken", Map.of("id", text, "type_id", 0)));
            special.put(text, Map.of("id", text, "ids", List.of(id), "tokens", List.of(text)));
        }
    }

    /** Writes the whole with a BPE model; a merge is a pair of token strings. */
    String bpe(List<String> tokens, Iterable<String[]> merges, Map<String, Object> flags) {
        StringWriter out = new StringWriter(1 << 20);
        try (JsonGenerator json = start(out)) {
            json.writeStringProperty("type", "BPE");
            for (Map.Entry<String, Object> flag : flags.entrySet()) {
                json.writePOJOProperty(flag.getKey(), flag.getValue());
            }
            json.writeObjectPropertyStart("vocab");
            for (int id = 0; id < tokens.size(); id++) {
                json.writeNumberProperty(tokens.get(id), id);
            }
            json.writeEndObject();
            json.writeArrayPropertyStart("merges");
            for (String[] merge : merges) {
                json.writeStartArray();
                json.writeString(merge[0]);
                json.writeString(merge[1]);
                json.writeEndArray();
            }
            json.writeEndArray();
            json.writeEndObject();
            json.writeEndObject();
        }
        return out.toString();
    }

    /** Writes the whole with a Unigram model. */
    String unigram(List<String> tokens, double[] scores, int unknown, boolean byteFallback) {
        StringWriter out = new StringWriter(1 << 20);
        try (JsonGenerator json = start(out)) {
            json.writeStringProperty("type", "Unigram");
            json.writeNumberProperty("unk_id", unknown);
            json.writeBooleanProperty("byte_fallback", byteFallback);
            json.writeArrayPropertyStart("vocab");
            for (int id = 0; id < scores.length; id++) {
                json.writeStartArray();
                json.writeString(tokens.get(id));
                json.writeNumber(scores[id]);
                json.writeEndArray();
            }
            json.writeEndArray();
            json.writeEndObject();
            json.writeEndObject();
        }
        return out.toString();
    }

    private JsonGenerator start(StringWriter out) {
        JsonGenerator json = TokenizerJson.mapper().createGenerator(out);
        json.writeStartObject();
        json.writeStringProperty("version", "1.0");
        json.writeArrayPropertyStart("added_tokens");
        for (AddedToken token : added) {
            json.writePOJO(Map.of(
                    "id",
                    token.id(),
                    "content",
                    token.content(),
                    "special",
                    token.special(),
                    "single_word",
                    false,
                    "lstrip",
                    false,
                    "rstrip",
                    false,
                    "normalized",
                    false));
        }
        json.writeEndArray();
        json.writePOJOProperty("normalizer", normalizer);
        json.writePOJOProperty("pre_tokenizer", preTokenizer);
        json.writePOJOProperty("post_processor", postProcessor);
        json.writePOJOProperty("decoder", decoder);
        json.writeObjectPropertyStart("model");
        return json;
    }
}
