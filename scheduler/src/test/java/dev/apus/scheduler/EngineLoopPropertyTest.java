package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Drives the engine's state with random requests and aborts and checks the block manager after each step: nothing leaks. */
class EngineLoopPropertyTest {
    @Property(tries = 60)
    void randomTrafficLeaksNothingAndKeepsEveryText(
            @ForAll long seed,
            @ForAll @IntRange(min = 8, max = 40) int blocks,
            @ForAll @IntRange(min = 1, max = 12) int maxNumSeqs,
            @ForAll @IntRange(min = 12, max = 100) int budget,
            @ForAll boolean prefixCaching,
            @ForAll @IntRange(min = 1, max = 200) int shortContext) {
        EngineOptions options = EngineOptions.defaults()
                .withMaxNumSeqs(maxNumSeqs)
                .withMaxNumBatchedTokens(budget)
                .withPrefixCaching(prefixCaching);
        Random random = new Random(seed);
        Outbox outbox = new Outbox(id -> {}, () -> {});
        outbox.start();
        EngineLoop loop = new EngineLoop(
                new FakeRunner(blocks, shortContext),
                options,
                blocks,
                16 * blocks,
                new Counters(),
                outbox,
                submission -> {});
        List<Sent> all = new ArrayList<>();
        for (int i = 0; i < 150; i++) {
            if (random.nextInt(3) == 0) {
                String id = "r" + i;
                int[] prompt = LocalEngineTest.prompt(random.nextInt(4), 1 + random.nextInt(7 * blocks));
                SamplingParams params = SamplingParams.greedy(1 + random.nextInt(40));
                if (random.nextInt(6) == 0) {
                    params =
                            new SamplingParams(0, 0, 1, 0, 1, 0, 0, 0, 5, 0, true, Set.of(), Map.of(), List.of(), 0, 0);
                }
                if (random.nextInt(10) == 0) {
                    prompt[prompt.length - 1] = random.nextBoolean() ? FakeRunner.POISON : FakeRunner.CORRUPT;
                }
                Request request = new Request(id, prompt, params, random.nextInt(3), "", 0);
                Recorder recorder = new Recorder();
                loop.add(new Submission(request, recorder, FakeRunner.VOCAB, 16 * blocks, List.of()));
                all.add(new Sent(request, recorder));
            }
            if (random.nextInt(8) == 0 && !all.isEmpty()) {
                loop.abort(all.get(random.nextInt(all.size())).request().id());
                loop.checkInvariants();
            }
            loop.step();
            loop.checkInvariants();
            outbox.flush();
        }
        int steps = 0;
        while (!loop.isIdle()) {
            assertThat(steps++).as("steps to finish").isLessThan(20_000);
            loop.step();
            loop.checkInvariants();
            outbox.flush();
        }
        outbox.end();
        outbox.join();
        all.forEach(sent -> check(sent, 16 * blocks));
    }

    private static void check(Sent sent, int maxLength) {
        int[] prompt = sent.request().prompt();
        int wanted = sent.request().params().maxTokens();
        assertThat(sent.recorder().isDone()).isTrue();
        if (sent.recorder().end() instanceof EngineEvent.Finished finished) {
            int[] tokens = sent.recorder().tokens();
            assertThat(tokens).isEqualTo(LocalEngineTest.expected(prompt, tokens.length, 0, -1));
            if (finished.reason() == EngineEvent.FinishReason.LENGTH) {
                assertThat(tokens).hasSize(Math.min(wanted, maxLength - prompt.length));
            }
        } else {
            assertThat(prompt[prompt.length - 1]).isGreaterThanOrEqualTo(FakeRunner.CORRUPT);
        }
    }

    private record Sent(Request request, Recorder recorder) {}
}
