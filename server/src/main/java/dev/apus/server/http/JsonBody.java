package dev.apus.server.http;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Parses request bodies strictly: valid UTF-8, one object, no duplicate keys, no NaN, bounded depth and size. Thread-safe. */
final class JsonBody {
    /** Tool schemas nest deeply; nobody's nest this deep. */
    private static final int MOST_DEPTH = 100;
    /** Far more than a prompt of token ids has. */
    private static final int MOST_TOKENS = 4_000_000;

    private static final int MOST_NUMBER_LENGTH = 64;
    private static final int MOST_NAME_LENGTH = 4096;

    private static final int MOST_MESSAGE = 300;
    /** Where a parser's limit is set. */
    private static final Pattern SETTING = Pattern.compile(", from `[^`]*`");
    /** Where the parser begins to speak of itself: advice, names of its own, the place again, further lines. */
    private static final Pattern INTERNALS =
            Pattern.compile("(?s)(\\n|: enable |: maybe a |[,:]? ?\\(*(start marker|or, if you want|\\[Source|`)).*");

    private final JsonMapper mapper;

    /** @param memory bytes that all bodies together may take when parsed: none may have more tokens than that */
    JsonBody(int maxBodyBytes, long memory) {
        StreamReadConstraints constraints = StreamReadConstraints.builder()
                .maxNestingDepth(MOST_DEPTH)
                .maxTokenCount(Math.min(MOST_TOKENS, memory / MemoryBudget.PER_ELEMENT))
                .maxNumberLength(MOST_NUMBER_LENGTH)
                .maxNameLength(MOST_NAME_LENGTH)
                .maxStringLength(maxBodyBytes)
                .build();
        JsonFactory factory = JsonFactory.builder()
                .streamReadConstraints(constraints)
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                .build();
        mapper = JsonMapper.builder(factory)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .build();
    }

    /** @throws ApiException that says where the body is wrong */
    ObjectNode parse(byte[] body) {
        JsonNode node = parseAny(decode(body));
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw ApiException.badRequest("the request body must be a JSON object");
    }

    /** Parses JSON that came inside a string; null if it is not JSON. */
    @Nullable
    JsonNode parseInner(String text) {
        try {
            return mapper.readTree(text);
        } catch (JacksonException e) {
            return null;
        }
    }

    /** The JSON as plain values: Map, List, String, Boolean, Long, Double, null. */
    static @Nullable Object plain(JsonNode node) {
        if (node instanceof ObjectNode object) {
            Map<String, @Nullable Object> map = new LinkedHashMap<>();
            object.forEachEntry((name, value) -> map.put(name, plain(value)));
            return map;
        }
        if (node.isArray()) {
            List<@Nullable Object> list = new ArrayList<>(node.size());
            node.forEach(value -> list.add(plain(value)));
            return list;
        }
        if (node.isString()) {
            return node.stringValue();
        }
        if (node.isBoolean()) {
            return node.booleanValue();
        }
        if (node.isIntegralNumber() && node.canConvertToLong()) {
            return node.longValue();
        }
        return node.isNumber() ? (Object) node.doubleValue() : null;
    }

    private JsonNode parseAny(String text) {
        try {
            return mapper.readTree(text);
        } catch (JacksonException e) {
            TokenStreamLocation at = e.getLocation();
            String where = at == null || at.getLineNr() < 0
                    ? ""
                    : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
            throw ApiException.badRequest(
                    "the request body is not valid JSON" + where + ": " + withoutInternals(e.getOriginalMessage()));
        }
    }

    private static String decode(byte[] body) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(body))
                    .toString();
        } catch (CharacterCodingException e) {
            throw ApiException.badRequest("the request body is not valid UTF-8");
        }
    }

    /** What a parser's message says of the body, without its advice for the parser's user. */
    private static String withoutInternals(String message) {
        String what = INTERNALS
                .matcher(SETTING.matcher(message).replaceAll(""))
                .replaceFirst("")
                .strip();
        return what.length() <= MOST_MESSAGE ? what : what.substring(0, MOST_MESSAGE) + "...";
    }
}
