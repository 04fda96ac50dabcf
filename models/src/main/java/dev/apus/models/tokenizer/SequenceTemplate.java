package dev.apus.models.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.JsonNode;

/**
 * What a model wants around one text or two, read from the post-processor of its tokenizer.json: ids of special tokens, and which type a
 * token is of. Texts are cut to a length inside it, so that the special tokens stay. Immutable.
 */
public final class SequenceTemplate {
    /** A template beyond has been made to harm. */
    private static final int MOST_PIECES = 64;

    /**
     * A model's input.
     *
     * @param ids token ids
     * @param types token type of each
     */
    public record Sequence(int[] ids, int[] types) {}

    /** What stands at a place of a template. */
    private enum Kind {
        FIRST,
        SECOND,
        SPECIAL
    }

    private record Piece(Kind kind, int[] ids, int type) {}

    private final List<Piece> single;
    private final List<Piece> pair;

    private SequenceTemplate(List<Piece> single, List<Piece> pair) {
        this.single = List.copyOf(single);
        this.pair = List.copyOf(pair);
    }

    /** A template that adds nothing: texts as they are, two of them one behind the other. */
    public static SequenceTemplate plain() {
        Piece first = new Piece(Kind.FIRST, new int[0], 0);
        return new SequenceTemplate(List.of(first), List.of(first, new Piece(Kind.SECOND, new int[0], 1)));
    }

    /**
     * Reads the template of a model's folder; {@link #plain} if its tokenizer.json has none or it has no such file.
     *
     * @throws TokenizerException if the file cannot be read or its post-processor is not understood
     */
    public static SequenceTemplate read(Path folder) {
        Path file = folder.resolve("tokenizer.json");
        if (!Files.isRegularFile(file)) {
            return plain();
        }
        try (JsonParser parser = TokenizerJson.mapper().createParser(Files.readString(file))) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new TokenizerException(file + ": is not a JSON object");
            }
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                boolean wanted = parser.currentName().equals("post_processor");
                parser.nextToken();
                if (wanted) {
                    return of(file.toString(), parser.readValueAsTree());
                }
                parser.skipChildren();
            }
            return plain();
        } catch (JacksonException e) {
            throw new TokenizerException(file + ": not valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + e, e);
        }
    }

    private static SequenceTemplate of(String source, JsonNode processor) {
        return switch (processor.path("type").asString("")) {
            case "TemplateProcessing" ->
                new SequenceTemplate(pieces(source, processor, "single"), pieces(source, processor, "pair"));
            case "BertProcessing" -> around(source, processor, 1, 1);
            case "RobertaProcessing" -> around(source, processor, 2, 0);
            case "Sequence" -> lastOf(source, processor);
            case "", "ByteLevel" -> plain();
            default ->
                throw new TokenizerException(source + ": the post_processor is of type "
                        + processor.path("type")
                        + "; TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and a Sequence of them are"
                        + " supported");
        };
    }

    /** ByteLevel, which only trims spans, and one that adds tokens: Llama 3's way. */
    private static SequenceTemplate lastOf(String source, JsonNode sequence) {
        SequenceTemplate found = plain();
        for (JsonNode step : sequence.path("processors")) {
            if (!step.path("type").asString("").equals("ByteLevel")) {
                found = of(source, step);
            }
        }
        return found;
    }

    /** {@code cls A sep}, {@code cls A sep sep B sep}; BERT has one sep between the texts, and tokens of type 1 behind it. */
    private static SequenceTemplate around(String source, JsonNode processor, int between, int secondType) {
        Piece start = new Piece(Kind.SPECIAL, new int[] {special(source, processor, "cls")}, 0);
        int separator = special(source, processor, "sep");
        Piece first = new Piece(Kind.FIRST, new int[0], 0);
        int[] middle = new int[between];
        Arrays.fill(middle, separator);
        return new SequenceTemplate(
                List.of(start, first, new Piece(Kind.SPECIAL, new int[] {separator}, 0)),
                List.of(
                        start,
                        first,
                        new Piece(Kind.SPECIAL, middle, 0),
                        new Piece(Kind.SECOND, new int[0], secondType),
                        new Piece(Kind.SPECIAL, new int[] {separator}, secondType)));
    }

    /** The id of {@code ["[CLS]", 101]}. */
    private static int special(String source, JsonNode processor, String key) {
        JsonNode id = processor.path(key).path(1);
        if (!id.isInt() || id.intValue() < 0) {
            throw new TokenizerException(source + ": the post_processor's '" + key + "' is " + processor.path(key)
                    + "; needed is a token and its id");
        }
        return id.intValue();
    }

    private static List<Piece> pieces(String source, JsonNode processor, String key) {
        JsonNode template = processor.path(key);
        if (!template.isArray() || template.isEmpty() || template.size() > MOST_PIECES) {
            throw new TokenizerException(
                    source + ": the post_processor's '" + key + "' must be a list of 1 to " + MOST_PIECES + " pieces");
        }
        List<Piece> pieces = new ArrayList<>();
        for (JsonNode piece : template) {
            JsonNode text = piece.path("Sequence");
            JsonNode special = piece.path("SpecialToken");
            int type = (text.isObject() ? text : special).path("type_id").asInt(0);
            if (text.isObject()) {
                boolean second = text.path("id").asString("").equals("B");
                pieces.add(new Piece(second ? Kind.SECOND : Kind.FIRST, new int[0], type));
            } else {
                JsonNode ids = processor
                        .path("special_tokens")
                        .path(special.path("id").asString(""))
                        .path("ids");
                pieces.add(new Piece(Kind.SPECIAL, ids(source, special, ids), type));
            }
        }
        return pieces;
    }

    private static int[] ids(String source, JsonNode special, JsonNode list) {
        int[] ids = new int[Math.min(list.size(), MOST_PIECES)];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = list.path(i).asInt(-1);
        }
        if (ids.length == 0 || Arrays.stream(ids).anyMatch(id -> id < 0)) {
            throw new TokenizerException(
                    source + ": the post_processor names the special token " + special + ", whose ids are " + list);
        }
        return ids;
    }

    private static int added(List<Piece> pieces) {
        return pieces.stream().mapToInt(piece -> piece.ids.length).sum();
    }

    /** Tokens that are added around one text. */
    public int addedToOne() {
        return added(single);
    }

    /** Tokens that are added around two texts. */
    public int addedToTwo() {
        return added(pair);
    }

    /**
     * One text.
     *
     * @param text its ids without special tokens
     * @param most tokens of the result, at least {@link #addedToOne}; the text's end is cut off beyond
     */
    public Sequence one(int[] text, int most) {
        return join(single, text, Math.min(text.length, most - addedToOne()), new int[0], 0);
    }

    /**
     * Two texts.
     *
     * @param most tokens of the result, at least {@link #addedToTwo}; beyond, the longer text is cut first, then both alike (Hugging Face's
     *     {@code longest_first})
     */
    public Sequence two(int[] first, int[] second, int most) {
        int room = most - addedToTwo();
        int shorter = Math.min(first.length, second.length);
        int longer = Math.max(first.length, second.length);
        if (shorter + (long) longer > room) {
            longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
            if (shorter + (long) longer > room) {
                shorter = room / 2;
                longer = shorter + room % 2;
            }
        }
        boolean swapped = first.length > second.length;
        return join(pair, first, swapped ? longer : shorter, second, swapped ? shorter : longer);
    }

    private static Sequence join(List<Piece> pieces, int[] first, int firstCount, int[] second, int secondCount) {
        if (firstCount < 0 || secondCount < 0) {
            throw new IllegalArgumentException("the length leaves no room for the special tokens");
        }
        int length = added(pieces);
        for (Piece piece : pieces) {
            length += piece.kind == Kind.FIRST ? firstCount : piece.kind == Kind.SECOND ? secondCount : 0;
        }
        int[] ids = new int[length];
        int[] types = new int[length];
        int at = 0;
        for (Piece piece : pieces) {
            int[] source =
                    switch (piece.kind) {
                        case FIRST -> first;
                        case SECOND -> second;
                        case SPECIAL -> piece.ids;
                    };
            int count =
                    switch (piece.kind) {
                        case FIRST -> firstCount;
                        case SECOND -> secondCount;
                        case SPECIAL -> piece.ids.length;
                    };
            System.arraycopy(source, 0, ids, at, count);
            Arrays.fill(types, at, at + count, piece.type);
            at += count;
        }
        return new Sequence(ids, types);
    }
}
