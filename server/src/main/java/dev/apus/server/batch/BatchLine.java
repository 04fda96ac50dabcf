package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Problem;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * One request of a batch.
 *
 * @param number its line, from 1
 * @param customId the client's name for it
 * @param model that its body names; null if it names none
 * @param body of the request, a JSON object as it was sent
 */
record BatchLine(int number, String customId, @Nullable String model, byte[] body) {
    private static final int MOST_CUSTOM_ID = 512;

    /** What is wrong with a line. */
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;
        private final transient Problem problem;

        Refused(String code, String message, @Nullable String param, int line) {
            super(message, null, false, false);
            problem = new Problem(code, message, param, line);
        }

        Problem problem() {
            return problem;
        }
    }

    /** Reads lines. Thread-safe. */
    static final class Parser {
        /** As deep as a request's body may be, and the line around it. */
        private static final int MOST_DEPTH = 101;

        private final JsonFactory json;

        Parser(int mostBytes) {
            json = JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MOST_DEPTH)
                            .maxStringLength(mostBytes)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build();
        }

        /** @throws Refused if it is no request of a batch for the endpoint */
        BatchLine parse(byte[] raw, int number, String endpoint) throws Refused {
            byte[] line = stripped(raw);
            Draft draft = new Draft(line, number);
            // The parser would take NULs for another encoding.
            boolean text = line.length > 1 && line[0] == '{' && line[1] != 0;
            try (JsonParser parser = json.createParser(ObjectReadContext.empty(), line)) {
                if (!text || parser.nextToken() != JsonToken.START_OBJECT) {
                    throw new Refused("invalid_json_line", "the line is not a JSON object", null, number);
                }
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    draft.take(parser);
                }
                if (parser.nextToken() != null) {
                    throw new Refused("invalid_json_line", "the line holds more than one JSON object", null, number);
                }
            } catch (JacksonException e) {
                throw new Refused(
                        "invalid_json_line",
                        "the line is not valid JSON, at column "
                                + Math.max(
                                        1,
                                        e.getLocation() == null
                                                ? 1
                                                : e.getLocation().getColumnNr()),
                        null,
                        number);
            }
            return draft.line(endpoint);
        }
    }

    /** Without a byte-order mark and white space at its beginning. */
    private static byte[] stripped(byte[] line) {
        boolean mark = line.length > 2 && line[0] == (byte) 0xef && line[1] == (byte) 0xbb && line[2] == (byte) 0xbf;
        int from = mark ? 3 : 0;
        while (from < line.length && isSpace(line[from])) {
            from++;
        }
        return from == 0 ? line : Arrays.copyOfRange(line, from, line.length);
    }

    /** Whether there is nothing on a line. */
    static boolean isBlank(byte[] line) {
        return stripped(line).length == 0;
    }

    private static boolean isSpace(byte c) {
        return c == ' ' || c == '\t' || c == '\r';
    }

    /** What was read of a line. */
    private static final class Draft {
        private final byte[] line;
        private final int number;
        private @Nullable String customId;
        private @Nullable String method;
        private @Nullable String url;
        private @Nullable String model;
        private byte @Nullable [] body;

        Draft(byte[] line, int number) {
            this.line = line;
            this.number = number;
        }

        /** Takes a member, at whose name the parser is. */
        void take(JsonParser parser) throws Refused {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "custom_id" -> customId = string(parser, name, value);
                case "method" -> method = string(parser, name, value);
                case "url" -> url = string(parser, name, value);
                case "body" -> takeBody(parser, value);
                default -> parser.skipChildren();
            }
        }

        private String string(JsonParser parser, String name, JsonToken value) throws Refused {
            if (value != JsonToken.VALUE_STRING) {
                throw new Refused("invalid_type", "'" + name + "' must be a string", name, number);
            }
            return parser.getString();
        }

        private void takeBody(JsonParser parser, JsonToken value) throws Refused {
            if (value != JsonToken.START_OBJECT) {
                throw new Refused("invalid_type", "'body' must be an object", "body", number);
            }
            int from = (int) parser.currentTokenLocation().getByteOffset();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                boolean isModel = parser.currentName().equals("model");
                boolean goesOn = parser.currentName().equals("stream")
                        || parser.currentName().equals("background");
                JsonToken member = parser.nextToken();
                if (member == JsonToken.VALUE_STRING && isModel) {
                    model = parser.getString();
                } else if (member == JsonToken.VALUE_TRUE && goesOn) {
                    throw new Refused(
                            "unsupported_parameter",
                            "'stream' and 'background' are not supported in a batch, whose answers are files",
                            "body",
                            number);
                }
                parser.skipChildren();
            }
            body = Arrays.copyOfRange(
                    line, from, (int) parser.currentTokenLocation().getByteOffset() + 1);
        }

        BatchLine line(String endpoint) throws Refused {
            String id = required(customId, "custom_id");
            if (id.isEmpty() || id.length() > MOST_CUSTOM_ID) {
                throw new Refused(
                        "invalid_custom_id",
                        "'custom_id' has " + id.length() + " characters, must have 1 to " + MOST_CUSTOM_ID,
                        "custom_id",
                        number);
            }
            String verb = required(method, "method");
            if (!verb.equals("POST")) {
                throw new Refused(
                        "invalid_method", "'method' is '" + shown(verb) + "', must be POST", "method", number);
            }
            String path = required(url, "url");
            if (!path.equals(endpoint)) {
                throw new Refused(
                        "invalid_url",
                        "'url' is '" + shown(path) + "', must be the batch's endpoint " + endpoint,
                        "url",
                        number);
            }
            return new BatchLine(number, id, model, required(body, "body"));
        }

        private <T> T required(@Nullable T value, String name) throws Refused {
            if (value == null) {
                throw new Refused("missing_required_parameter", "'" + name + "' is missing", name, number);
            }
            return value;
        }

        private static String shown(String text) {
            return text.length() <= 60 ? text : text.substring(0, 60) + "...";
        }
    }
}
