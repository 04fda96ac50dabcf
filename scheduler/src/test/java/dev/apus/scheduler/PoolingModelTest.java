package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.cpu.CpuBackend;
import dev.apus.kernels.cpu.CpuOptions;
import dev.apus.models.Pooling;
import dev.apus.scheduler.pooling.Pooler;
import dev.apus.scheduler.pooling.PoolingOptions;
import dev.apus.scheduler.pooling.PoolingRequest;
import dev.apus.scheduler.pooling.PoolingTask;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Models that pool, loaded from files: an encoder, and a decoder that generates meanwhile. */
@Timeout(120)
final class PoolingModelTest {
    private static final Path ENCODERS = Path.of("../models/src/test/resources/encoders");
    private static final Path LLAMA = Path.of("../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf");

    private static LanguageModel open(Path path, PoolingOptions pooling) {
        EngineOptions options =
                EngineOptions.builder().maxNumSeqs(4).maxNumBatchedTokens(64).build();
        return LanguageModel.open(
                path, CpuBackend.create(new CpuOptions(CpuOptions.Provider.AUTO, 2)), options, null, pooling);
    }

    private static PoolingRequest request(int[] ids, PoolingTask task) {
        return new PoolingRequest(ids, new int[ids.length], task, Tenant.DEFAULT);
    }

    private static float[][] get(CompletableFuture<float[][]> result) throws Exception {
        return result.get(60, TimeUnit.SECONDS);
    }

    @Test
    void anEncoderPoolsAndGeneratesNothing() throws Exception {
        try (LanguageModel model = open(ENCODERS.resolve("bert-embed"), PoolingOptions.defaults())) {
            assertThat(model.served().generates()).isFalse();
            assertThat(model.served().maxModelLength()).isEqualTo(16);
            Pooler pooler = Objects.requireNonNull(model.served().pooler());
            int[] ids = {2, 64, 98, 3};
            List<CompletableFuture<float[][]>> results = pooler.submit(List.of(
                    request(ids, PoolingTask.EMBED),
                    request(ids, PoolingTask.TOKEN_EMBED),
                    request(ids, PoolingTask.EMBED)));
            float[][] tokens = get(results.get(1));
            assertThat(tokens).hasNumberOfRows(4);
            float mean = (tokens[0][0] + tokens[1][0] + tokens[2][0] + tokens[3][0]) / 4;
            assertThat(get(results.get(0))[0][0]).isCloseTo(mean, org.assertj.core.data.Offset.offset(1e-5f));
            assertThat(get(results.get(2))[0]).containsExactly(get(results.get(0))[0]);
            assertThatThrownBy(() -> model.complete("hi", model.params().build(), List.of()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("generates no text");
        }
    }

    @Test
    void aClassifierGivesItsLogits() throws Exception {
        PoolingOptions max = new PoolingOptions(PoolingOptions.Runner.POOLING, Pooling.MAX, false);
        try (LanguageModel model = open(ENCODERS.resolve("roberta-classify"), max)) {
            Pooler pooler = Objects.requireNonNull(model.served().pooler());
            assertThat(pooler.info().settings().pooling()).isEqualTo(Pooling.MAX);
            assertThat(Objects.requireNonNull(pooler.info().head()).labels())
                    .containsExactly("negative", "neutral", "positive");
            int[] ids = {0, 10, 11, 2};
            List<CompletableFuture<float[][]>> results =
                    pooler.submit(List.of(request(ids, PoolingTask.CLASSIFY), request(ids, PoolingTask.EMBED)));
            assertThat(get(results.get(0))[0]).hasSize(3);
            assertThat(get(results.get(1))[0]).hasSize(32);
        }
    }

    @Test
    void anEncoderCannotBeServedToGenerate() {
        PoolingOptions generate = new PoolingOptions(PoolingOptions.Runner.GENERATE, null, null);
        assertThatThrownBy(() -> open(ENCODERS.resolve("bert-embed"), generate))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is an encoder");
    }

    @Test
    void aDecoderEmbedsWhileItGenerates() throws Exception {
        try (LanguageModel model = open(LLAMA, PoolingOptions.defaults())) {
            SamplingParams params = SamplingParams.greedy(60);
            List<int[]> prompts = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                int[] prompt = new int[1 + i * 5];
                java.util.Arrays.setAll(prompt, p -> (p * 7 + 3) % 100);
                prompts.add(prompt);
            }
            Pooler pooler = Objects.requireNonNull(model.served().pooler());
            String alone = model.generate(prompts.get(3), params, List.of()).text();
            List<float[]> idle = new ArrayList<>();
            for (int[] prompt : prompts) {
                idle.add(get(pooler.submit(List.of(request(prompt, PoolingTask.EMBED)))
                        .getFirst())[0]);
            }
            // All at once: the texts and the vectors are the same bits, and the work was shared step by step.
            List<Generation> running = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                running.add(model.generate(prompts.get(3), params, List.of()));
            }
            long batchesBefore = pooler.stats().batches();
            List<CompletableFuture<float[][]>> results = pooler.submit(
                    prompts.stream().map(p -> request(p, PoolingTask.EMBED)).toList());
            for (int i = 0; i < prompts.size(); i++) {
                assertThat(get(results.get(i))[0]).containsExactly(idle.get(i));
            }
            for (Generation generation : running) {
                assertThat(generation.text()).isEqualTo(alone);
            }
            assertThat(pooler.stats().batches() - batchesBefore).isBetween(6L, 12L);
            assertThat(pooler.stats().failures()).isZero();
        }
    }

    @Test
    void aDecoderServedForPoolingGeneratesNothing() throws Exception {
        PoolingOptions pooling = new PoolingOptions(PoolingOptions.Runner.POOLING, Pooling.MEAN, true);
        CompletableFuture<float[][]> late;
        try (LanguageModel model = open(LLAMA, pooling)) {
            assertThat(model.served().generates()).isFalse();
            Pooler pooler = Objects.requireNonNull(model.served().pooler());
            int width = pooler.info().width();
            assertThat(get(pooler.submit(List.of(request(new int[] {1, 2}, PoolingTask.EMBED)))
                            .getFirst())[0])
                    .hasSize(width);
            assertThatThrownBy(() -> model.complete("hi", model.params().build(), List.of()))
                    .hasMessageContaining("generates no text");
            assertThatThrownBy(() -> pooler.submit(List.of(request(new int[65], PoolingTask.EMBED))))
                    .hasMessageContaining("at most 64 are allowed");
            late = pooler.submit(List.of(request(new int[] {1, 2, 3}, PoolingTask.EMBED)))
                    .getFirst();
        }
        // Computed or failed, but answered.
        assertThat(late.isDone()).isTrue();
    }

    @Test
    void aDecoderServedToGeneratePoolsNothing() {
        PoolingOptions generate = new PoolingOptions(PoolingOptions.Runner.GENERATE, null, null);
        try (LanguageModel model = open(LLAMA, generate)) {
            assertThat(model.served().pooler()).isNull();
            assertThat(model.served().generates()).isTrue();
        }
    }
}
