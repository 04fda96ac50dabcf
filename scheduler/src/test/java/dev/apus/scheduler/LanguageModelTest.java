package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.DType;
import dev.apus.kernels.KvLayout;
import dev.apus.scheduler.EngineEvent.FinishReason;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LanguageModelTest {
    private final FakeTokenizer tokenizer = new FakeTokenizer();
    private final FakeRunner runner = new FakeRunner(64);
    private final LocalEngine engine = new LocalEngine(runner, TestOptions.cpu().build(), 64, 1024, List.of(5));
    private final LanguageModel model = new LanguageModel(
            new ServedModel(
                    "fake",
                    tokenizer,
                    variables -> "chat:" + variables.get("messages") + variables.get("add_generation_prompt"),
                    Map.of(),
                    1024,
                    FakeRunner.VOCAB,
                    Map.of("temperature", 0.0, "top_k", 7.0),
                    engine),
            () -> {});

    @AfterEach
    void close() {
        runner.free();
        model.close();
        engine.checkAfterClose();
    }

    @Test
    void streamsTheTextOfTheTokens() {
        String expected = text("hello", 20);
        assertThat(model.complete("hello", params(20), List.of()).text()).isEqualTo(expected);
        try (Generation generation = model.complete("hello", params(20), List.of())) {
            assertThat(generation.stream().collect(Collectors.joining())).isEqualTo(expected);
            assertThat(generation.finishReason()).isEqualTo(FinishReason.LENGTH);
            assertThat(generation.promptTokens()).isEqualTo(5);
            assertThatThrownBy(generation::iterator).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aStopStringEndsTheTextAndTheRequest() {
        String all = text("hello", 30);
        String stop = all.substring(10, 13);
        Generation generation = model.complete("hello", params(900), List.of(stop));
        assertThat(generation.text()).isEqualTo(all.substring(0, all.indexOf(stop)));
        assertThat(generation.finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(generation.generatedTokens()).isEqualTo(all.indexOf(stop) + 3);
        engine.drain().join();
        assertThat(engine.stats().running()).isZero();
    }

    @Test
    void theTextOfAStopTokenIsLeftOut() {
        int[] tokens = LocalEngineTest.expected(tokenizer.encode("hello", true, true), 10, 0, -1);
        SamplingParams params =
                model.params().maxTokens(10).stopTokenIds(Set.of(tokens[6])).build();
        assertThat(model.complete("hello", params, List.of()).text())
                .isEqualTo(tokenizer.decode(Arrays.copyOf(tokens, 6), true));
    }

    @Test
    void chatRendersTheTemplate() {
        SamplingParams params = params(8);
        List<ChatMessage> messages = List.of(ChatMessage.system("be brief"), ChatMessage.user("hi"));
        String rendered = "chat:[{role=system, content=be brief}, {role=user, content=hi}]true";
        assertThat(model.chat(messages, params, List.of()).text()).isEqualTo(text(rendered, 8));
    }

    @Test
    void closingEarlyAborts() {
        runner.stepwise();
        Generation generation = model.complete("hello", params(900), List.of());
        runner.permit(1);
        Iterator<String> pieces = generation.iterator();
        assertThat(pieces.next()).isNotEmpty();
        generation.close();
        runner.free();
        assertThat(pieces.hasNext()).isFalse();
        engine.drain().join();
        assertThat(engine.stats().generationTokens()).isLessThan(900);
    }

    /** A server and a program, or two parts of one, may each wrap the same engine. */
    @Test
    void twoOfOneEngineDoNotCollide() {
        LanguageModel other = new LanguageModel(model.served(), () -> {});
        runner.stepwise();
        Generation first = model.complete("hello", params(20), List.of());
        Generation second = other.complete("hello", params(20), List.of());
        runner.free();
        assertThat(second.text()).isEqualTo(text("hello", 20));
        assertThat(first.text()).isEqualTo(text("hello", 20));
    }

    @Test
    void aFailedRequestThrows() {
        int[] poisoned = {FakeRunner.POISON};
        assertThatThrownBy(() -> model.generate(poisoned, params(3), List.of()).text())
                .isInstanceOf(GenerationException.class)
                .hasMessageContaining("poisoned");
    }

    @Test
    void takesTheModelsDefaults() {
        SamplingParams params = model.params().build();
        assertThat(params.temperature()).isZero();
        assertThat(params.topK()).isEqualTo(7);
        assertThat(params.topP()).isEqualTo(1);
    }

    @Test
    void sizesTheCacheByOptionsMemoryAndNeed() {
        KvLayout layout = new KvLayout(30, 3, 64, 16, DType.F32);
        EngineOptions options = TestOptions.cpu().build();
        long block = layout.bytesPerBlock();
        assertThat(KvSizing.blocks(TestOptions.cpu().numKvBlocks(9).build(), block, 2048, 1L << 40, false))
                .isEqualTo(9);
        // A GiB at most, a quarter of what is free, and never more than all sequences at full length need.
        assertThat(KvSizing.blocks(options, block, 8192, 1L << 40, false)).isEqualTo((int) ((1L << 30) / block));
        assertThat(KvSizing.blocks(options, block, 2048, 2L << 30, false)).isEqualTo((int) ((1L << 29) / block));
        assertThat(KvSizing.blocks(options, block, 32, 1L << 40, false)).isEqualTo(2 * 64);
        // One long sequence gets up to half of the memory.
        assertThat(KvSizing.blocks(options, block, 16384, 2L << 30, false))
                .isEqualTo((int) (Math.min(1024 * block, 1L << 30) / block));
        // All that is left of a device's own memory.
        assertThat(KvSizing.blocks(options, block, 32, 4L << 30, true)).isEqualTo((int) ((4L << 30) / block));
        assertThatThrownBy(() -> KvSizing.blocks(options, block, 2048, 1000, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("holds no block");
    }

    private SamplingParams params(int maxTokens) {
        return model.params().ignoreEos(true).maxTokens(maxTokens).build();
    }

    private String text(String prompt, int count) {
        return tokenizer.decode(LocalEngineTest.expected(tokenizer.encode(prompt, true, true), count, 0, -1), true);
    }
}
