package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** On the real kernels a request's text is the same whatever happens around it. */
class SameTextTest {
    private static final int TOKENS = 24;

    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable resource : open.reversed()) {
            resource.close();
        }
    }

    @ParameterizedTest
    @CsvSource({"SCALAR,1", "VECTOR,1", "SCALAR,2", "VECTOR,2"})
    void inABatchOf32WithRandomArrivals(CpuOptions.Provider kernels, int depth) throws InterruptedException {
        List<int[]> prompts = prompts(32);
        List<int[]> alone = alone(kernels, prompts);
        LocalEngine engine = engine(kernels, depth, 256, 32, 64, true);
        Random random = new Random(5);
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            recorders.add(submit(engine, i, prompts.get(i)));
            Thread.sleep(random.nextInt(3));
        }
        check(recorders, alone);
    }

    @ParameterizedTest
    @CsvSource({"SCALAR,1", "VECTOR,1", "SCALAR,2", "VECTOR,2"})
    void afterPreemption(CpuOptions.Provider kernels, int depth) {
        List<int[]> prompts = prompts(32);
        List<int[]> alone = alone(kernels, prompts);
        // Room for a few sequences only.
        LocalEngine engine = engine(kernels, depth, 20, 32, 48, false);
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            recorders.add(submit(engine, i, prompts.get(i)));
        }
        check(recorders, alone);
        assertThat(engine.stats().preemptions()).isPositive();
    }

    @ParameterizedTest
    @CsvSource({"SCALAR,1", "VECTOR,1", "SCALAR,2", "VECTOR,2"})
    void withAPrefixHit(CpuOptions.Provider kernels, int depth) {
        List<int[]> prompts = prompts(32);
        List<int[]> alone = alone(kernels, prompts);
        LocalEngine engine = engine(kernels, depth, 512, 32, 64, true);
        for (int round = 0; round < 2; round++) {
            List<Recorder> recorders = new ArrayList<>();
            for (int i = 0; i < prompts.size(); i++) {
                recorders.add(submit(engine, i, prompts.get(i)));
            }
            check(recorders, alone);
            if (round == 1) {
                for (int i = 0; i < prompts.size(); i++) {
                    int whole = (prompts.get(i).length - 1) / EngineOptions.BLOCK_SIZE * EngineOptions.BLOCK_SIZE;
                    assertThat(recorders.get(i).finished().cachedTokens()).isEqualTo(whole);
                }
            }
        }
    }

    private List<int[]> alone(CpuOptions.Provider kernels, List<int[]> prompts) {
        LocalEngine engine = engine(kernels, 1, 64, 1, 128, false);
        List<int[]> texts = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            Recorder recorder = submit(engine, i, prompts.get(i));
            recorder.finished();
            texts.add(recorder.tokens());
        }
        assertThat(texts.stream().map(Arrays::toString).distinct().count()).isGreaterThan(16);
        return texts;
    }

    private LocalEngine engine(
            CpuOptions.Provider kernels,
            int depth,
            int blocks,
            int maxNumSeqs,
            int maxNumBatchedTokens,
            boolean caching) {
        EngineOptions options = TestOptions.cpu()
                .maxNumSeqs(maxNumSeqs)
                .maxNumBatchedTokens(maxNumBatchedTokens)
                .enablePrefixCaching(caching)
                .build();
        CpuBackend backend = CpuBackend.create(new CpuOptions(kernels, 2));
        open.add(backend);
        MiniDecoder decoder = new MiniDecoder(backend, maxNumBatchedTokens, options.maxLogitRows());
        DecoderRunner runner = new DecoderRunner(
                decoder::forward, backend, backend.kvCache(MiniDecoder.layout(), blocks), MiniDecoder.VOCAB);
        LocalEngine engine = new LocalEngine(
                depth == 1 ? runner : new TwoDeepRunner(runner), options, blocks, MiniDecoder.POSITIONS, List.of());
        open.add(() -> {
            engine.close();
            engine.checkAfterClose();
        });
        return engine;
    }

    private static Recorder submit(LocalEngine engine, int i, int[] prompt) {
        // Every other one is drawn, with penalties: its text may depend on its seed and its own tokens only.
        SamplingParams params = new SamplingParams(
                i % 2,
                0,
                0.9f,
                0,
                1 + i % 2 * 0.1f,
                0,
                i % 2 * 0.3f,
                i,
                TOKENS,
                0,
                true,
                Set.of(),
                Map.of(),
                List.of(),
                -1,
                -1);
        Recorder recorder = new Recorder();
        engine.submit(new Request("r" + i, prompt, params), recorder);
        return recorder;
    }

    private static void check(List<Recorder> recorders, List<int[]> alone) {
        for (int i = 0; i < recorders.size(); i++) {
            recorders.get(i).finished();
            assertThat(recorders.get(i).tokens()).as("text of request %s", i).isEqualTo(alone.get(i));
        }
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
