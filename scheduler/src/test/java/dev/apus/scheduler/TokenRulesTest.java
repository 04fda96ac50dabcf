package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bad words and the end of a thought hold on runners that take one step in flight and two, also after preemption. */
class TokenRulesTest {
    private static final int TOKENS = 40;
    private static final List<Integer> START = List.of(910);
    private static final List<Integer> END = List.of(920, 921);

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void badWordsAreNeverSaid(int depth) {
        int[] prompt = {1, 2, 3};
        List<List<Integer>> words = new ArrayList<>();
        int[] said = {};
        for (int round = 0; round < 6; round++) {
            said = generate(depth, 64, 1, prompt, builder -> builder.badWords(List.copyOf(words)))
                    .getFirst();
            for (List<Integer> word : words) {
                assertThat(Collections.indexOfSubList(boxed(said), word)).isEqualTo(-1);
            }
            // What was just said, more of it each time.
            List<Integer> tokens = boxed(said);
            words.add(tokens.subList(3 * round, 4 * round + 1));
            words.add(tokens.subList(3 * round + 5, 3 * round + 7));
        }
        assertThat(said)
                .isEqualTo(generate(1, 64, 1, prompt, b -> b.badWords(words.subList(0, 10)))
                        .getFirst());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aBadWordMayBeginInThePromptAndIsNotOne(int depth) {
        int[] prompt = {1, 2, 3};
        int first = FakeRunner.next(prompt, 0);
        int[] said = generate(depth, 64, 1, prompt, b -> b.badWords(List.of(List.of(3, first))))
                .getFirst();
        assertThat(said[0]).isEqualTo(first);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aThoughtEndsWhenItsTokensAreSpent(int depth) {
        int[] said = thinking(depth, 7, true);
        assertThat(Arrays.copyOfRange(said, 7, 9)).containsExactly(920, 921);
        assertThat(boxed(said).subList(0, 7)).doesNotContain(920);
        // Only once: it is not in a thought any more.
        assertThat(Collections.indexOfSubList(boxed(said).subList(9, TOKENS), END))
                .isEqualTo(-1);
        assertThat(Arrays.copyOf(thinking(depth, 0, true), 2)).containsExactly(920, 921);
        // A model that does not think is let alone.
        assertThat(Collections.indexOfSubList(boxed(thinking(depth, 7, false)), END))
                .isEqualTo(-1);
    }

    @Test
    void aThoughtThatTheModelBeginsCountsFromItsTag() {
        TokenRules rules = rules(3, false);
        // Prompt of two, then: 5, start, 6, 7, 8, and the end is forced token by token.
        int[] tokens = {1, 2, 5, 910, 6, 7, 8, 920, 921, 9, 910, 4};
        assertThat(forced(rules, tokens)).containsExactly(-1, -1, -1, -1, -1, 920, 921, -1, -1, 920, -2);
    }

    @Test
    void aThoughtThatEndsInTimeIsLetAlone() {
        int[] tokens = {1, 2, 5, 920, 6, 920, 921, 9, 9, 9, 9, 9};
        assertThat(forced(rules(5, true), tokens)).containsOnly(-1, -2);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void preemptionChangesNothing(int depth) {
        int[] prompt = new int[60];
        Arrays.setAll(prompt, i -> i);
        List<int[]> crowded = generate(
                depth,
                18,
                6,
                prompt,
                b -> b.badWords(List.of(List.of(5), List.of(6, 7)))
                        .thinkingBudget(new ThinkingBudget(9, START, END, true)));
        assertThat(crowded).hasSize(6).allSatisfy(said -> assertThat(said).isEqualTo(crowded.getFirst()));
        assertThat(Arrays.copyOfRange(crowded.getFirst(), 9, 11)).containsExactly(920, 921);
    }

    @Test
    void idsMustBeOfTheVocabulary() {
        assertThatThrownBy(() -> generate(1, 64, 1, new int[] {1}, b -> b.badWords(List.of(List.of(1, 1000)))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("bad_words names token 1000");
        assertThatThrownBy(() -> generate(1, 64, 1, new int[] {1}, b -> b.logprobTokenIds(List.of(-1))))
                .hasMessageContaining("logprob_token_ids names token -1");
        assertThatThrownBy(() -> new ThinkingBudget(-1, START, END, true))
                .hasMessageContaining("-1, must be 0 or more");
    }

    private static TokenRules rules(int budget, boolean within) {
        TokenRules rules = TokenRules.of(
                new SamplingParamsBuilder()
                        .thinkingBudget(new ThinkingBudget(budget, START, END, within))
                        .build(),
                FakeRunner.VOCAB);
        if (rules == null) {
            throw new AssertionError("a budget is a rule");
        }
        return rules;
    }

    /** The id forced before each token after a prompt of two and after all; -1 for none, -2 at the end. */
    private static List<Integer> forced(TokenRules rules, int[] tokens) {
        List<Integer> ids = new ArrayList<>();
        for (int length = 2; length < tokens.length; length++) {
            rules.read(tokens, 2, length, null);
            long[] forced = rules.forced();
            ids.add(forced == null ? -1 : BitSet.valueOf(forced).nextSetBit(0));
        }
        ids.add(-2);
        return ids;
    }

    private static int[] thinking(int depth, int budget, boolean within) {
        return generate(
                        depth,
                        64,
                        1,
                        new int[] {1, 2, 3},
                        b -> b.thinkingBudget(new ThinkingBudget(budget, START, END, within)))
                .getFirst();
    }

    private interface Parameters {
        SamplingParamsBuilder set(SamplingParamsBuilder builder);
    }

    /** What so many equal requests say on a runner with so many blocks. */
    private static List<int[]> generate(int depth, int blocks, int requests, int[] prompt, Parameters parameters) {
        SamplingParams params = parameters
                .set(new SamplingParamsBuilder().temperature(0).maxTokens(TOKENS))
                .build();
        FakeRunner runner = new FakeRunner(blocks, Integer.MAX_VALUE, depth);
        List<Recorder> recorders = new ArrayList<>();
        try (LocalEngine engine = new LocalEngine(runner, TestOptions.cpu().build(), blocks, 4096, List.of())) {
            for (int i = 0; i < requests; i++) {
                Recorder recorder = new Recorder();
                engine.submit(new Request("r" + i, prompt, params), recorder);
                recorders.add(recorder);
            }
            recorders.forEach(Recorder::finished);
        }
        return recorders.stream().map(Recorder::tokens).toList();
    }

    private static List<Integer> boxed(int[] ids) {
        return Arrays.stream(ids).boxed().toList();
    }
}
