package dev.apus.loaders;

import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;

/** Streaming JSON over mapped bytes with limits fit for checkpoint headers: strict UTF-8, shallow, no interning of hostile names. */
final class StrictJson {
    /** A header nests three deep; anything near this is an attack on readers that recurse. */
    static final int MAX_DEPTH = 32;

    private static final int MAX_NAME = 10_000;
    private static final int MAX_STRING = 10_000_000;

    private StrictJson() {}

    /** A parser of {@code bytes}; every fault, bad UTF-8 too, is a {@link JacksonException}. */
    static JsonParser parser(MemorySegment bytes) {
        JsonFactory factory = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(MAX_DEPTH)
                        .maxNameLength(MAX_NAME)
                        .maxStringLength(MAX_STRING)
                        .build())
                .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
                .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
                .build();
        // a decoder made by newDecoder reports malformed bytes; Jackson's own would guess the encoding
        return factory.createParser(
                ObjectReadContext.empty(),
                new InputStreamReader(new SegmentStream(bytes), StandardCharsets.UTF_8.newDecoder()));
    }

    /** What is wrong, without the parser's own location suffix that repeats the source. */
    static String reason(JacksonException e) {
        if (e.getCause() instanceof CharacterCodingException) {
            return "it is not UTF-8 text";
        }
        String message = e.getOriginalMessage();
        String at = e.getLocation() == null
                ? ""
                : " (at character " + e.getLocation().getCharOffset() + ")";
        return Messages.quote(message == null ? e.toString() : message) + at;
    }

    /** A token in words. */
    static String kind(@Nullable JsonToken token) {
        return switch (token) {
            case null -> "missing";
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "a string";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            case VALUE_TRUE, VALUE_FALSE -> "a boolean";
            case VALUE_NULL -> "null";
            default -> token.toString();
        };
    }

    /** Reads a segment without copying it as a whole. */
    private static final class SegmentStream extends InputStream {
        private final ByteBuffer bytes;

        SegmentStream(MemorySegment bytes) {
            this.bytes = bytes.asByteBuffer();
        }

        @Override
        public int read() {
            return bytes.hasRemaining() ? Byte.toUnsignedInt(bytes.get()) : -1;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            if (!bytes.hasRemaining()) {
                return length == 0 ? 0 : -1;
            }
            int n = Math.min(length, bytes.remaining());
            bytes.get(target, offset, n);
            return n;
        }
    }
}
