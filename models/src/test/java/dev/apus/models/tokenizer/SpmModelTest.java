package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** SentencePiece files: what is read, and that damaged or hostile ones are refused by name, not by accident. */
class SpmModelTest {
    private static final byte[] UNIGRAM = Fixture.of("spm-unigram").bytes("tokenizer.model");
    private static final byte[] BPE = Fixture.of("spm-bpe").bytes("tokenizer.model");

    @Test
    void missingFieldsHaveTheDefaultsOfTheFormat() {
        SpmModel model = SpmModel.parse("m", pieces().build());
        assertThat(model.pieces()).containsExactly("<unk>", "<s>", "</s>", "a");
        assertThat(model.types()).containsExactly(2, 3, 3, 1);
        assertThat(model.scores()).containsExactly(0, 0, 0, -1.5);
        assertThat(model.unigram()).isTrue();
        assertThat(model.dummyPrefix()).isTrue();
        assertThat(model.tidySpaces()).isTrue();
        assertThat(model.charsMap()).isEmpty();
        assertThat(List.of(model.bos(), model.eos(), model.pad())).containsExactly(1, 2, -1);
    }

    @Test
    void unknownFieldsOfEveryWireTypeAreSkipped() {
        byte[] model = pieces().number(1000, -1)
                .real(1001, 1)
                .text(1002, "x")
                .varint(1003 << 3 | 1)
                .varint(0x7F)
                .varint(1)
                .varint(1)
                .varint(1)
                .varint(1)
                .varint(1)
                .varint(1)
                .varint(1)
                .build();
        assertThat(SpmModel.parse("m", model).pieces()).hasSize(4);
    }

    @ParameterizedTest
    @MethodSource("faults")
    void faultsAreNamed(byte[] file, String message) {
        assertThatThrownBy(() -> SpmModel.parse("dir/tokenizer.model", file))
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("dir/tokenizer.model")
                .hasMessageContaining(message);
    }

    static Stream<Arguments> faults() {
        return Stream.of(
                Arguments.of(new byte[0], "has no pieces"),
                Arguments.of(pieces().piece("a", 0, 1).build(), "the piece \"a\" twice, ids 3 and 4"),
                Arguments.of(pieces().piece("", 0, 1).build(), "empty piece, id 4"),
                Arguments.of(pieces().piece("b", Float.NaN, 1).build(), "score NaN"),
                Arguments.of(pieces().piece("b", 0, 7).build(), "type 7"),
                Arguments.of(
                        pieces().message(1, new ProtoBuilder().bytes(1, new byte[] {(byte) 0xC3}))
                                .build(),
                        "not UTF-8"),
                Arguments.of(
                        pieces().message(1, new ProtoBuilder().number(1, 5)).build(), "wire type 0 where 2"),
                Arguments.of(
                        pieces().message(2, new ProtoBuilder().number(3, 3)).build(), "model_type 3"),
                Arguments.of(
                        pieces().message(2, new ProtoBuilder().number(24, 1)).build(), "treat_whitespace_as_suffix"),
                Arguments.of(
                        pieces().message(3, new ProtoBuilder().number(5, 0)).build(), "escape_whitespaces"),
                Arguments.of(pieces().varint(1 << 3 | 2).varint(Long.MAX_VALUE).build(), "bytes where 0 are left"),
                Arguments.of(pieces().varint(1 << 3 | 2).varint(-1).build(), "18446744073709551615 bytes"),
                Arguments.of(pieces().varint(1 << 3 | 3).build(), "wire type 3"),
                Arguments.of(pieces().varint(0).build(), "the number 0"),
                Arguments.of(pieces().varint(9 << 3 | 5).build(), "ends within a number"),
                Arguments.of(new byte[] {8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}, "more than ten bytes"),
                Arguments.of(Arrays.copyOf(BPE, BPE.length - 3), "are left"));
    }

    /** Fixed seed: the native engine would end the test run if a check had a hole, so what is tried must not vary between runs. */
    @Property(tries = 300, seed = "20240611")
    void aDamagedFileIsRefusedOrWorks(
            @ForAll @IntRange(max = 2526) int at, @ForAll byte value, @ForAll @IntRange(min = 1, max = 4) int length) {
        byte[] file = UNIGRAM.clone();
        Arrays.fill(file, at, Math.min(file.length, at + length), value);
        worksOrSays(file);
    }

    /** The rules are the part that the engine follows without looking. */
    @Property(tries = 300, seed = "20240612")
    void damagedRulesAreRefusedOrWork(@ForAll @Size(min = 1, max = 20) List<Integer> changes) {
        byte[] map = SpmModel.parse("m", UNIGRAM).charsMap();
        ByteBuffer units = ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN);
        for (int change : changes) {
            units.putInt(Math.floorMod(change * 31, map.length / 4) * 4, change);
        }
        worksOrSays(pieces().message(3, new ProtoBuilder().bytes(2, map)).build());
    }

    @Property(tries = 300, seed = "20240613")
    void anyBytesAreRefusedOrWork(@ForAll @Size(max = 200) byte[] file) {
        worksOrSays(file);
    }

    private static void worksOrSays(byte[] file) {
        try {
            SpmModel model = SpmModel.parse("m", file);
            SpmVocabulary vocabulary = new SpmVocabulary(
                    "m",
                    model.pieces(),
                    model.scores(),
                    model.types(),
                    model.unigram(),
                    new SpmVocabulary.Rules(SpmVocabulary.Prefix.EACH, model.tidySpaces(), model.charsMap(), true));
            TokenizerDescription description = vocabulary.describe(vocabulary.table(), null);
            try (Tokenizer tokenizer = new EngineTokenizer(
                    "m",
                    description,
                    description.vocabulary(),
                    description.decoder(),
                    new SpecialIds(-1, List.of(), -1))) {
                int[] ids = tokenizer.encode("Hello\uFF21\uFB01\u00A0\u3000e\u0301 \t<tool> a", false, true);
                assertThat(tokenizer.decode(ids, false)).isNotNull();
            }
        } catch (TokenizerException e) {
            assertThat(e).hasMessageStartingWith("m: ");
        }
    }

    @Test
    void rulesThatLeaveTheirTableAreRefused() {
        byte[] map = SpmModel.parse("m", UNIGRAM).charsMap();
        CharsMap.check("m", map);
        for (byte[] wrong : List.of(new byte[0], new byte[3], new byte[4], Arrays.copyOf(map, 1024), far(map))) {
            assertThatThrownBy(() -> CharsMap.check("m", wrong))
                    .isInstanceOf(TokenizerException.class)
                    .hasMessageContaining("precompiled_charsmap");
        }
    }

    /** The root's children lie beyond the table. */
    private static byte[] far(byte[] map) {
        byte[] wrong = map.clone();
        ByteBuffer.wrap(wrong).order(ByteOrder.LITTLE_ENDIAN).putInt(4, 0x7FFFFC00);
        return wrong;
    }

    @Test
    void descriptionsWriteEveryCharacterOfJson() {
        String text = "\"\\\n\u0000\u001F\u2028é\uD83D\uDE00/";
        String json = new JsonText(16)
                .value(Map.of("a" + text, List.of(text, 1, true, List.of(), Map.of())))
                .toString();
        assertThat(TokenizerJson.mapper()
                        .readTree(json)
                        .path("a" + text)
                        .path(0)
                        .asString())
                .isEqualTo(text);
        assertThat(json).endsWith(",1,true,[],{}]}");
    }

    private static ProtoBuilder pieces() {
        return new ProtoBuilder()
                .piece("<unk>", 0, 2)
                .piece("<s>", 0, 3)
                .piece("</s>", 0, 3)
                .message(1, new ProtoBuilder().text(1, "a").real(2, -1.5f));
    }
}
