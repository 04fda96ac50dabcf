package dev.apus.models;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.models.tokenizer.SequenceTemplate;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.models.tokenizer.Tokenizers;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The encoders of make_encoders.py agree with transformers and sentence-transformers: ids, hidden states, vectors, logits, scores. */
final class EncoderGoldenTest {
    /** Recorded to 6 digits; values are up to 4, summed in other orders. */
    private static final Offset<Float> CLOSE = Offset.offset(1e-4f);

    private static final int MAX_TOKENS = 300;

    static Path folder(String name) {
        try {
            return Path.of(Objects.requireNonNull(EncoderGoldenTest.class.getResource("/encoders/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static Stream<Arguments> models() {
        return Stream.of("bert-embed", "bert-rerank", "xlm-roberta", "roberta-classify", "distilbert-classify")
                .flatMap(name -> Stream.of(CpuOptions.Provider.SCALAR, CpuOptions.Provider.VECTOR)
                        .map(kernels -> Arguments.of(name, kernels)));
    }

    private static List<?> list(Map<?, ?> golden, String key) {
        return golden.get(key) instanceof List<?> list ? list : List.of();
    }

    private static int[] ints(Object values) {
        return ((List<?>) values)
                .stream().mapToInt(value -> ((Number) value).intValue()).toArray();
    }

    private static float[] floats(Object values) {
        List<?> list = (List<?>) values;
        float[] out = new float[list.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = ((Number) list.get(i)).floatValue();
        }
        return out;
    }

    private static float[] rows(Backend backend, Tensor tensor, int first, int count) {
        float[] out = new float[Math.toIntExact(count * tensor.dim(1))];
        backend.read(tensor, first, count, out);
        return out;
    }

    private static void assertClose(float[] actual, float[] expected) {
        assertThat(actual).containsExactly(expected, CLOSE);
    }

    /** One model on one provider, with its tokenizer. */
    private record Run(
            Backend backend,
            EncoderCheckpoint checkpoint,
            Encoder encoder,
            Tokenizer tokenizer,
            SequenceTemplate template,
            EncoderBatch batch)
            implements AutoCloseable {
        static Run open(String name, CpuOptions.Provider kernels) {
            Path folder = folder(name);
            Backend backend = CpuBackend.create(new CpuOptions(kernels, 2));
            EncoderCheckpoint checkpoint = EncoderCheckpoint.open(folder);
            return new Run(
                    backend,
                    checkpoint,
                    Encoder.load(checkpoint, backend, MAX_TOKENS, 8),
                    Tokenizers.open(folder),
                    SequenceTemplate.read(folder),
                    new EncoderBatch(MAX_TOKENS, 8));
        }

        SequenceTemplate.Sequence text(String text) {
            return template.one(tokenizer.encode(text, false, false), checkpoint.maxTokens());
        }

        /** Hidden states of each sequence, all computed at once. */
        List<float[]> states(List<SequenceTemplate.Sequence> sequences) {
            batch.clear();
            sequences.forEach(sequence -> batch.add(sequence.ids(), sequence.types()));
            Tensor hidden = encoder.forward(batch);
            List<float[]> out = new ArrayList<>();
            for (int i = 0; i < sequences.size(); i++) {
                out.add(rows(backend, hidden, batch.start(i), batch.start(i + 1) - batch.start(i)));
            }
            return out;
        }

        @Override
        public void close() {
            tokenizer.close();
            checkpoint.close();
            backend.close();
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void agreesWithTransformers(String name, CpuOptions.Provider kernels) {
        Map<String, Object> golden = new JsonFiles().object(folder(name).resolve("golden.json"));
        try (Run run = Run.open(name, kernels)) {
            List<?> states = list(golden, "states");
            assertThat(states.isEmpty()).isEqualTo(name.equals("bert-rerank"));
            List<SequenceTemplate.Sequence> inputs = new ArrayList<>();
            for (Object item : states) {
                Map<?, ?> given = (Map<?, ?>) item;
                inputs.add(run.text((String) Objects.requireNonNull(given.get("text"))));
                assertThat(inputs.getLast().ids()).isEqualTo(ints(Objects.requireNonNull(given.get("ids"))));
            }
            List<float[]> together = inputs.isEmpty() ? List.of() : run.states(inputs);
            for (int i = 0; i < inputs.size(); i++) {
                List<?> expected = list((Map<?, ?>) states.get(i), "hidden");
                int hidden = run.encoder().config().hidden();
                for (int t = 0; t < expected.size(); t++) {
                    float[] row = new float[hidden];
                    System.arraycopy(together.get(i), t * hidden, row, 0, hidden);
                    assertClose(row, floats(expected.get(t)));
                }
                assertThat(run.states(List.of(inputs.get(i))).getFirst()).containsExactly(together.get(i));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void classifiesPairsAsTransformersDoes(String name, CpuOptions.Provider kernels) {
        Map<String, Object> golden = new JsonFiles().object(folder(name).resolve("golden.json"));
        try (Run run = Run.open(name, kernels)) {
            EncoderConfig.Head head = run.encoder().config().head();
            List<?> pairs = list(golden, "pairs");
            assertThat(head == null).isEqualTo(pairs.isEmpty());
            List<float[]> expected = new ArrayList<>();
            run.batch().clear();
            for (Object item : pairs) {
                Map<?, ?> given = (Map<?, ?>) item;
                SequenceTemplate.Sequence pair = run.template()
                        .two(
                                run.tokenizer().encode((String) Objects.requireNonNull(given.get("a")), false, false),
                                run.tokenizer().encode((String) Objects.requireNonNull(given.get("b")), false, false),
                                run.checkpoint().maxTokens());
                assertThat(pair.ids()).isEqualTo(ints(Objects.requireNonNull(given.get("ids"))));
                if (run.encoder().config().typeRows() == 2) {
                    assertThat(pair.types()).isEqualTo(ints(Objects.requireNonNull(given.get("types"))));
                }
                run.batch().add(pair.ids(), pair.types());
                expected.add(floats(Objects.requireNonNull(given.get("logits"))));
            }
            if (head != null) {
                run.encoder().forward(run.batch());
                Tensor logits = run.encoder().classify(run.batch());
                for (int i = 0; i < expected.size(); i++) {
                    assertClose(rows(run.backend(), logits, i, 1), expected.get(i));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void embedsAsSentenceTransformersDoes(CpuOptions.Provider kernels) {
        Map<String, Object> golden = new JsonFiles().object(folder("bert-embed").resolve("golden.json"));
        try (Run run = Run.open("bert-embed", kernels)) {
            PoolingSettings settings = run.checkpoint().pooling();
            assertThat(settings.pooling()).isEqualTo(Pooling.MEAN);
            assertThat(settings.normalise()).isTrue();
            assertThat(settings.prompts())
                    .containsExactlyInAnyOrderEntriesOf(Map.of("query", "search: ", "document", ""));
            assertThat(run.checkpoint().maxTokens()).isEqualTo(16);
            Map<?, ?> pooled = (Map<?, ?>) Objects.requireNonNull(golden.get("pooled"));
            for (int i = 0; i < list(golden, "states").size(); i++) {
                String text = (String) Objects.requireNonNull(
                        ((Map<?, ?>) list(golden, "states").get(i)).get("text"));
                SequenceTemplate.Sequence input = run.text(text);
                float[] states = run.states(List.of(input)).getFirst();
                int tokens = input.ids().length;
                float[] vector = Pooling.MEAN.pool(states, tokens, 32);
                assertClose(
                        Pooling.normalise(vector),
                        floats(list(golden, "embeddings").get(i)));
                for (Map.Entry<?, ?> mode : pooled.entrySet()) {
                    float[] other = Pooling.of((String) mode.getKey()).pool(states, tokens, 32);
                    assertClose(other, floats(((List<?>) mode.getValue()).get(i)));
                }
                input = run.text(settings.prompts().get("query") + text);
                float[] query = Pooling.MEAN.pool(run.states(List.of(input)).getFirst(), input.ids().length, 32);
                assertClose(
                        Pooling.normalise(query), floats(list(golden, "queries").get(i)));
            }
        }
    }

    static Stream<CpuOptions.Provider> kernels() {
        return Stream.of(CpuOptions.Provider.SCALAR, CpuOptions.Provider.VECTOR);
    }
}
