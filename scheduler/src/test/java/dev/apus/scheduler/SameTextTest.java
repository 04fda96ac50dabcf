package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.Backend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** On the real kernels a request's text is the same whatever happens around it. */
@Tag("gpu")
class SameTextTest {
    private static final int TOKENS = 24;
    /** Of bf16: logits reach 30 here, of which rounding in each of two layers leaves an error of well under a hundredth. */
    private static final float CLEAR_MARGIN = 0.5f;

    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable resource : open.reversed()) {
            resource.close();
        }
    }

    @ParameterizedTest
    @MethodSource("runs")
    void inABatchOf32WithRandomArrivals(TestDevice device, int depth) throws InterruptedException {
        List<int[]> prompts = prompts(32);
        List<Text> alone = alone(device, prompts);
        LocalEngine engine = engine(device, depth, 256, 32, 64, true);
        Random random = new Random(5);
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            recorders.add(submit(device, engine, i, prompts.get(i)));
            Thread.sleep(random.nextInt(3));
        }
        check(device, recorders, alone);
    }

    @ParameterizedTest
    @MethodSource("runs")
    void afterPreemption(TestDevice device, int depth) {
        List<int[]> prompts = prompts(32);
        List<Text> alone = alone(device, prompts);
        // Room for a few sequences only.
        LocalEngine engine = engine(device, depth, 20, 32, 48, false);
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            recorders.add(submit(device, engine, i, prompts.get(i)));
        }
        check(device, recorders, alone);
        assertThat(engine.stats().preemptions()).isPositive();
    }

    @ParameterizedTest
    @MethodSource("runs")
    void withAPrefixHit(TestDevice device, int depth) {
        List<int[]> prompts = prompts(32);
        List<Text> alone = alone(device, prompts);
        LocalEngine engine = engine(device, depth, 512, 32, 64, true);
        for (int round = 0; round < 2; round++) {
            List<Recorder> recorders = new ArrayList<>();
            for (int i = 0; i < prompts.size(); i++) {
                recorders.add(submit(device, engine, i, prompts.get(i)));
            }
            check(device, recorders, alone);
            if (round == 1) {
                for (int i = 0; i < prompts.size(); i++) {
                    int whole = (prompts.get(i).length - 1) / EngineOptions.BLOCK_SIZE * EngineOptions.BLOCK_SIZE;
                    assertThat(recorders.get(i).finished().cachedTokens()).isEqualTo(whole);
                }
            }
        }
    }

    /** A CPU behind the engine or as if it ran behind; a GPU runs two steps behind by itself. */
    static Stream<Arguments> runs() {
        return TestDevice.all().stream()
                .flatMap(device -> (device.cuda() ? IntStream.of(2) : IntStream.of(1, 2))
                        .mapToObj(depth -> Arguments.of(device, depth)));
    }

    /**
     * What a request says when it is alone.
     *
     * @param margins how much likelier each token was than the next one, as a difference of log-probabilities; empty if not asked for
     */
    private record Text(int[] tokens, List<Float> margins) {}

    private List<Text> alone(TestDevice device, List<int[]> prompts) {
        LocalEngine engine = engine(device, device.cuda() ? 2 : 1, 64, 1, 128, false);
        List<Text> texts = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            Recorder recorder = submit(device, engine, i, prompts.get(i));
            recorder.finished();
            texts.add(new Text(recorder.tokens(), margins(recorder)));
        }
        assertThat(texts.stream()
                        .map(text -> Arrays.toString(text.tokens()))
                        .distinct()
                        .count())
                .isGreaterThan(16);
        return texts;
    }

    private LocalEngine engine(
            TestDevice device, int depth, int blocks, int maxNumSeqs, int maxNumBatchedTokens, boolean caching) {
        EngineOptions options = TestOptions.cpu()
                .maxNumSeqs(maxNumSeqs)
                .maxNumBatchedTokens(maxNumBatchedTokens)
                .enablePrefixCaching(caching)
                .build();
        Backend backend = device.open();
        open.add(backend);
        MiniDecoder decoder = new MiniDecoder(backend, maxNumBatchedTokens, options.maxLogitRows());
        DecoderRunner runner = new DecoderRunner(
                decoder::forward, backend, backend.kvCache(MiniDecoder.layout(backend), blocks), MiniDecoder.VOCAB);
        LocalEngine engine = new LocalEngine(
                depth == backend.stepsInFlight() ? runner : new TwoDeepRunner(runner),
                options,
                blocks,
                MiniDecoder.POSITIONS,
                List.of());
        open.add(() -> {
            engine.close();
            engine.checkAfterClose();
        });
        return engine;
    }

    private static List<Float> margins(Recorder recorder) {
        return recorder.events().stream()
                .filter(EngineEvent.Tokens.class::isInstance)
                .map(event -> ((EngineEvent.Tokens) event).logprobs())
                .filter(Objects::nonNull)
                .flatMap(List::stream)
                .map(token -> token.topLogprobs()[0] - token.topLogprobs()[1])
                .toList();
    }

    private static Recorder submit(TestDevice device, LocalEngine engine, int i, int[] prompt) {
        boolean bf16 = device == TestDevice.CUDA_BF16;
        // Every other one is drawn, with penalties: its text may depend on its seed and its own tokens only. In bf16
        // all are
        // greedy, since a draw has no margin that would tell whether rounding may have changed it.
        int drawn = bf16 ? 0 : i % 2;
        SamplingParams params = new SamplingParams(
                drawn,
                0,
                0.9f,
                0,
                1 + drawn * 0.1f,
                0,
                drawn * 0.3f,
                i,
                TOKENS,
                0,
                true,
                Set.of(),
                Map.of(),
                List.of(),
                bf16 ? 2 : -1,
                -1);
        Recorder recorder = new Recorder();
        engine.submit(new Request("r" + i, prompt, params), recorder);
        return recorder;
    }

    /**
     * Texts are equal, on a GPU with float32 too: there kernels differ by the number of rows, but only in the last bits. In bf16 these
     * differences are of the size of a near-tie's margin, so a text is compared as far as every choice was clear.
     */
    private static void check(TestDevice device, List<Recorder> recorders, List<Text> alone) {
        int compared = 0;
        for (int i = 0; i < recorders.size(); i++) {
            recorders.get(i).finished();
            int[] tokens = recorders.get(i).tokens();
            int[] expected = alone.get(i).tokens();
            assertThat(tokens).as("text of request %s", i).hasSameSizeAs(expected);
            int count = device == TestDevice.CUDA_BF16 ? clear(alone.get(i)) : expected.length;
            assertThat(Arrays.copyOf(tokens, count))
                    .as("first %s tokens of request %s", count, i)
                    .isEqualTo(Arrays.copyOf(expected, count));
            compared += count;
        }
        assertThat(compared).as("tokens compared").isGreaterThan(recorders.size());
    }

    /** Tokens before the first one that was not clearly the likeliest. */
    private static int clear(Text text) {
        int count = 0;
        while (count < text.margins().size() && text.margins().get(count) >= CLEAR_MARGIN) {
            count++;
        }
        return count;
    }

    private static List<int[]> prompts(int count) {
        Random random = new Random(11);
        int[] shared = random.ints(40, 0, MiniDecoder.VOCAB).toArray();
        List<int[]> prompts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] prompt =
                    random.ints(1 + random.nextInt(90), 0, MiniDecoder.VOCAB).toArray();
            if (i % 4 == 0) {
                System.arraycopy(shared, 0, prompt, 0, Math.min(shared.length, prompt.length));
            }
            prompts.add(prompt);
        }
        return prompts;
    }
}
