package dev.apus.models.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Incremental decoding: the pieces are the whole, nothing is taken back, and the known pitfalls of streaming. */
class DetokenizerTest {
    private static final List<String> FIXTURES = List.of(
            "byte-level",
            "llama",
            "gemma",
            "unigram",
            "wordpiece",
            "suffix",
            "spm-bpe",
            "spm-llama",
            "spm-gemma",
            "spm-unigram",
            "spm-nfkc",
            "tiktoken-qwen",
            "tiktoken-kimi");
    private static final ConcurrentHashMap<String, Tokenizer> OPEN = new ConcurrentHashMap<>();

    private static Tokenizer tokenizer(String name) {
        return OPEN.computeIfAbsent(name, key -> Fixture.of(key).open());
    }

    @AfterAll
    @AfterContainer
    static void close() {
        OPEN.values().forEach(Tokenizer::close);
        OPEN.clear();
    }

    /** Ids up to 40 beyond each vocabulary: a model's head is often padded, and such an id is no text. */
    @Property(tries = 600)
    void piecesJoinToTheWhole(
            @ForAll @IntRange(max = 12) int fixture,
            @ForAll @Size(max = 40) List<@IntRange(max = 1_000_000) Integer> numbers,
            @ForAll boolean skip) {
        Tokenizer tokenizer = tokenizer(FIXTURES.get(fixture));
        int[] ids = numbers.stream().mapToInt(n -> n % (tokenizer.size() + 40)).toArray();
        Detokenizer detokenizer = tokenizer.detokenizer(skip);
        StringBuilder text = new StringBuilder();
        String whole = tokenizer.decode(ids, skip);
        for (int id : ids) {
            String piece = detokenizer.add(id);
            assertThat(piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)))
                    .as("no character is cut in half: %s", piece)
                    .isTrue();
            text.append(piece);
            assertThat(whole).as("what was emitted stays").startsWith(text);
        }
        assertThat(text.append(detokenizer.finish()).toString()).isEqualTo(whole);
    }

    /** The engine's own decoder, for kinds that have no plan here, must say the same. */
    @Property(tries = 200)
    void piecesOfTheEngineJoinToo(
            @ForAll @IntRange(max = 5) int fixture,
            @ForAll @Size(max = 30) List<@IntRange(max = 1_000_000) Integer> numbers) {
        String name = FIXTURES.get(fixture);
        Tokenizer tokenizer = tokenizer(name);
        int[] ids = numbers.stream().mapToInt(n -> n % tokenizer.size()).toArray();
        String json = new String(Fixture.of(name).bytes("tokenizer.json"), StandardCharsets.UTF_8);
        try (NativeEngine engine = new NativeEngine(json, name)) {
            assertThat(engine.decode(ids, true)).isEqualTo(tokenizer.decode(ids, true));
        }
    }

    /** Bytes that never become a character come out as they are, some at a time, and do not make each token dearer than the last. */
    @Test
    void bytesThatAreNoTextDoNotWaitForEver() {
        Fixture fixture = Fixture.of("byte-level");
        int id = byteId(tokenizer("byte-level"), (byte) 0xBD);
        String json = new String(fixture.bytes("tokenizer.json"), StandardCharsets.UTF_8);
        try (NativeEngine engine = new NativeEngine(json, "byte-level")) {
            EngineDetokenizer detokenizer = new EngineDetokenizer(engine, true);
            StringBuilder text = new StringBuilder();
            for (int i = 1; i <= 1000; i++) {
                text.append(detokenizer.add(id));
                assertThat(text.length()).as("after %d bytes", i).isGreaterThanOrEqualTo(i - 16);
            }
            text.append(detokenizer.finish());
            assertThat(text.toString()).isEqualTo("\uFFFD".repeat(1000));
        }
    }

    @Test
    void anIncompleteCharacterWaits() {
        Tokenizer tokenizer = tokenizer("tiktoken-qwen");
        Detokenizer detokenizer = tokenizer.detokenizer(true);
        byte[] family = "👨‍👩‍👧".getBytes(StandardCharsets.UTF_8);
        StringBuilder seen = new StringBuilder();
        for (byte b : family) {
            String piece = detokenizer.add(byteId(tokenizer, b));
            assertThat(piece).doesNotContain("\uFFFD");
            seen.append(piece);
        }
        assertThat(seen).hasToString("👨‍👩‍👧");
        assertThat(detokenizer.add(byteId(tokenizer, (byte) 0xE4))).isEmpty();
        assertThat(detokenizer.finish()).isEqualTo("\uFFFD");
    }

    private static int byteId(Tokenizer tokenizer, byte b) {
        return tokenizer.id(String.valueOf(ByteAlphabet.character(b & 0xFF)));
    }

    @Test
    void oneSpaceGoesPerSequenceNotPerPiece() {
        Tokenizer tokenizer = tokenizer("spm-bpe");
        int space = tokenizer.id("\u2581");
        Detokenizer detokenizer = tokenizer.detokenizer(true);
        assertThat(detokenizer.add(tokenizer.bosId())).isEmpty();
        assertThat(detokenizer.add(space)).isEmpty();
        assertThat(detokenizer.add(space)).isEqualTo(" ");
        assertThat(detokenizer.add(space)).isEqualTo(" ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"spm-bpe", "spm-llama", "spm-gemma", "llama"})
    void bytesThatAreATextFuseAndOthersAreReplacedOneByOne(String name) {
        Tokenizer tokenizer = tokenizer(name);
        Detokenizer detokenizer = tokenizer.detokenizer(true);
        for (int id : bytes(tokenizer, "你".getBytes(StandardCharsets.UTF_8))) {
            assertThat(detokenizer.add(id)).isEmpty();
        }
        assertThat(detokenizer.finish()).isEqualTo("你");
        assertThat(tokenizer.decode(bytes(tokenizer, new byte[] {(byte) 0xE4, (byte) 0xBD}), true))
                .isEqualTo("\uFFFD\uFFFD");
    }

    private static int[] bytes(Tokenizer tokenizer, byte[] bytes) {
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = tokenizer.id(String.format("<0x%02X>", bytes[i]));
        }
        return ids;
    }

    @Test
    void textBesideSpecialTokensKeepsItsSpaces() {
        Tokenizer tokenizer = tokenizer("tiktoken-qwen");
        int[] ids = tokenizer.encode("<|im_start|> a <|im_end|> b", false, true);
        assertThat(tokenizer.decode(ids, true)).isEqualTo(" a  b");
        assertThat(tokenizer.decode(ids, false)).isEqualTo("<|im_start|> a <|im_end|> b");
    }

    @Test
    void bytesOfTokensJoinToTheText() {
        String text = "Größe 你好 👨‍👩‍👧 e\u0301\n";
        for (String name : List.of("tiktoken-qwen", "spm-gemma", "gemma", "byte-level")) {
            Tokenizer tokenizer = tokenizer(name);
            StringBuilder all = new StringBuilder();
            for (int id : tokenizer.encode(text, false, false)) {
                all.append(new String(tokenizer.tokenBytes(id), StandardCharsets.ISO_8859_1));
            }
            String joined = new String(all.toString().getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
            String expected = name.equals("tiktoken-qwen") ? text.replace("e\u0301", "é") : text;
            assertThat(joined).as(name).isEqualTo(expected);
        }
    }

    @Test
    void halfASurrogatePairIsReplacedNotSpread() {
        Tokenizer tokenizer = tokenizer("spm-gemma");
        assertThat(tokenizer.decode(tokenizer.encode("a\uD83Db", false, true), false))
                .isEqualTo("a\uFFFDb");
    }
}
