package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.PromptLogprobs;
import dev.apus.scheduler.EngineEvent.Tokens;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LocalEngineTest {
    private static final int EOS = 5;

    private @Nullable LocalEngine engine;
    private FakeRunner runner = new FakeRunner(1);
    private int ids;

    /** Steps that the runner takes in flight. */
    int depth() {
        return 1;
    }

    @AfterEach
    void close() {
        if (engine != null) {
            runner.free();
            engine.close();
            engine.checkAfterClose();
        }
    }

    @Test
    void generatesWhatTheModelSays() {
        start(64, TestOptions.cpu().build());
        int[] prompt = prompt(1, 40);
        Recorder r = submit(prompt, SamplingParams.greedy(50));
        assertThat(r.finished().reason()).isEqualTo(FinishReason.LENGTH);
        assertThat(r.finished().generatedTokens()).isEqualTo(50);
        assertThat(r.finished().promptTokens()).isEqualTo(40);
        assertThat(r.tokens()).isEqualTo(expected(prompt, 50, 0));
    }

    @Test
    void theSameAloneInABatchAfterPreemptionAndWithAPrefixHit() {
        EngineOptions options =
                TestOptions.cpu().maxNumSeqs(32).maxNumBatchedTokens(40).build();
        // 32 sequences want up to 9 blocks each, 60 are there: many are preempted.
        start(60, options);
        runner.stepwise();
        Random random = new Random(1);
        List<int[]> prompts = new ArrayList<>();
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < 96; i++) {
            // A third share a prefix.
            prompts.add(prompt(i % 3 == 0 ? 7 : 100 + i, 1 + random.nextInt(90)));
            recorders.add(submit(prompts.get(i), params(50, 0, true, Set.of())));
            if (i == 60) {
                runner.free();
            }
            if (i % 5 == 0) {
                sleep(1);
            }
        }
        int cached = 0;
        int preemptions = 0;
        for (int i = 0; i < 96; i++) {
            assertThat(recorders.get(i).finished().reason()).isEqualTo(FinishReason.LENGTH);
            assertThat(recorders.get(i).tokens()).isEqualTo(expected(prompts.get(i), 50, 0, -1));
            cached += recorders.get(i).finished().cachedTokens();
            preemptions += recorders.get(i).finished().timing().preemptions();
        }
        assertThat(cached).isPositive();
        assertThat(preemptions).isPositive();
        EngineStats stats = engine().stats();
        assertThat(stats.preemptions()).isEqualTo(preemptions);
        assertThat(stats.prefixCacheHits()).isEqualTo(cached);
        assertThat(stats.promptTokensCached()).isEqualTo(cached);
        assertThat(stats.promptTokensComputed() + stats.promptTokensCached()).isEqualTo(stats.promptTokens());
        assertThat(stats.generationTokens()).isEqualTo(96 * 50);
        assertThat(stats.stepTokensSum())
                .isEqualTo(runner.stepTokens.stream().mapToInt(n -> n).sum());
        assertThat(runner.stepTokens).allMatch(n -> n <= 40);
    }

    @Test
    void aLongPromptIsChunkedAndDoesNotHoldUpOthers() {
        start(64, TestOptions.cpu().maxNumBatchedTokens(64).build());
        runner.stepwise();
        Recorder a = submit(prompt(1, 10), SamplingParams.greedy(30));
        runner.permit(1);
        a.awaitFirstToken();
        Recorder b = submit(prompt(2, 500), SamplingParams.greedy(1));
        sleep(20);
        // 63 tokens of the prompt a step beside one of the other request.
        runner.permit(8 + depth());
        assertThat(b.finished().generatedTokens()).isEqualTo(1);
        // Of one step's events, the other request's may come last.
        a.awaitTokens(9 + depth());
        assertThat(a.tokens()).hasSize(9 + depth());
        assertThat(b.tokens()).isEqualTo(expected(prompt(2, 500), 1, 0));
    }

    @Test
    void lowerPriorityNumbersRunFirst() {
        start(64, TestOptions.cpu().maxNumSeqs(1).build());
        runner.stepwise();
        Recorder blocker = submit(prompt(1, 4), SamplingParams.greedy(2));
        sleep(20);
        int[] order = {3, 1, 2, 0};
        List<Recorder> recorders = new ArrayList<>();
        for (int priority : order) {
            recorders.add(
                    submit(new Request(id(), new int[] {100 + priority}, SamplingParams.greedy(1), priority, "", 0)));
        }
        runner.free();
        recorders.forEach(Recorder::finished);
        blocker.finished();
        assertThat(runner.stepFirsts.subList(2, 6))
                .containsExactly(List.of(100), List.of(101), List.of(102), List.of(103));
    }

    @Test
    void theLongestCachedPrefixGoesFirstButNobodyStarves() {
        start(256, TestOptions.cpu().maxNumSeqs(1).build());
        submit(prompt(1, 64), SamplingParams.greedy(1)).finished();
        runner.stepwise();
        Recorder blocker = submit(prompt(2, 4), SamplingParams.greedy(2));
        sleep(20);
        List<Recorder> recorders = new ArrayList<>();
        recorders.add(submit(prompt(3, 40), SamplingParams.greedy(1)));
        for (int i = 0; i < Scheduler.MOST_PASSED_OVER + 4; i++) {
            recorders.add(submit(prompt(1, 65 + i), SamplingParams.greedy(1)));
        }
        runner.free();
        blocker.finished();
        recorders.forEach(Recorder::finished);
        int cold = prompt(3, 1)[0];
        List<Integer> firsts = runner.stepFirsts.stream().map(List::getFirst).toList();
        // One warm-up, two of the blocker, then as many as may pass.
        assertThat(firsts.indexOf(cold)).isEqualTo(3 + Scheduler.MOST_PASSED_OVER);
    }

    @Test
    void onShortageTheLowestPriorityIsPreempted() {
        start(8, TestOptions.cpu().build());
        runner.stepwise();
        Recorder low = submit(new Request(id(), prompt(1, 40), SamplingParams.greedy(40), 5, "", 0));
        Recorder high = submit(new Request(id(), prompt(2, 40), SamplingParams.greedy(40), 1, "", 0));
        runner.free();
        assertThat(high.finished().timing().preemptions()).isZero();
        assertThat(low.finished().timing().preemptions()).isPositive();
        assertThat(low.tokens()).isEqualTo(expected(prompt(1, 40), 40, 0));
        assertThat(high.tokens()).isEqualTo(expected(prompt(2, 40), 40, 0));
    }

    @Test
    void abortEndsWithinOneStep() {
        start(64, TestOptions.cpu().build());
        runner.stepwise();
        Recorder r = submit(new Request("gone", prompt(1, 10), SamplingParams.greedy(500)));
        Recorder other = submit(prompt(2, 10), SamplingParams.greedy(3));
        sleep(20);
        runner.permit(1);
        r.awaitFirstToken();
        engine().abort("gone");
        engine().abort("never seen");
        runner.permit(1);
        assertThat(r.finished().reason()).isEqualTo(FinishReason.ABORT);
        assertThat(r.tokens().length).isLessThanOrEqualTo(3);
        runner.free();
        assertThat(other.finished().reason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void refusesMoreThanTheQueueHolds() {
        start(64, TestOptions.cpu().maxNumSeqs(2).maxWaiting(3).build());
        runner.stepwise();
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            recorders.add(submit(prompt(i, 4), SamplingParams.greedy(1)));
        }
        assertThatThrownBy(() -> submit(prompt(9, 4), SamplingParams.greedy(1)))
                .isInstanceOfSatisfying(
                        QueueFullException.class,
                        e -> assertThat(e.retryAfterSeconds()).isBetween(1, 60));
        runner.free();
        recorders.forEach(Recorder::finished);
        submit(prompt(9, 4), SamplingParams.greedy(1)).finished();
    }

    @Test
    void takesRequestsThatBelongTogetherAllOrNone() {
        start(64, TestOptions.cpu().maxNumSeqs(2).maxWaiting(3).build());
        runner.stepwise();
        List<Recorder> recorders = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            recorders.add(submit(prompt(i, 4), SamplingParams.greedy(1)));
        }
        List<Engine.Job> four = jobs("four", 4);
        assertThatThrownBy(() -> engine().submit(four)).isInstanceOf(QueueFullException.class);
        assertThatThrownBy(() -> engine().submit(jobs("six", 6)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("makes 6 sequences, at most 5");
        assertThat(engine().stats().running() + engine().stats().waiting()).isEqualTo(2);
        List<Engine.Job> twice =
                List.of(jobs("same", 1).getFirst(), jobs("same", 1).getFirst());
        assertThatThrownBy(() -> engine().submit(twice)).hasMessageContaining("in flight already");
        engine().submit(jobs("three", 3));
        assertThat(engine().stats().running() + engine().stats().waiting()).isEqualTo(5);
        runner.free();
        recorders.forEach(Recorder::finished);
    }

    private List<Engine.Job> jobs(String name, int count) {
        return new Request(name, prompt(7, 4), SamplingParams.greedy(1))
                .choices(count).stream()
                        .map(request -> new Engine.Job(request, event -> {}))
                        .toList();
    }

    @Test
    void refusesWhatCanNeverRun() {
        start(4, TestOptions.cpu().build());
        assertThat(engine().maxModelLength()).isEqualTo(64);
        assertThatThrownBy(() -> submit(prompt(1, 64), SamplingParams.greedy(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("64 tokens")
                .hasMessageContaining("at most 63");
        assertThatThrownBy(() -> submit(new int[] {1, FakeRunner.VOCAB}, SamplingParams.greedy(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("prompt token 1 is 1000");
        Recorder full = submit(prompt(1, 63), SamplingParams.greedy(100));
        assertThat(full.finished().generatedTokens()).isEqualTo(1);
        runner.stepwise();
        Recorder first = submit(new Request("same", prompt(2, 3), SamplingParams.greedy(1)));
        assertThatThrownBy(() -> engine().submit(new Request("same", prompt(2, 3), SamplingParams.greedy(1)), e -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("in flight");
        runner.free();
        first.finished();
    }

    @Test
    void stopIdsEndAndMinTokensAndIgnoreEosHoldThemOff() {
        start(64, TestOptions.cpu().build());
        int[] prompt = prompt(1, 10);
        int[] all = expected(prompt, 40, 0);
        int stop = all[12];
        Recorder r = submit(prompt, params(40, 0, false, Set.of(stop)));
        assertThat(r.finished().reason()).isEqualTo(FinishReason.STOP);
        assertThat(r.finished().stopTokenId()).isEqualTo(stop);
        assertThat(r.tokens()).isEqualTo(Arrays.copyOf(all, 13));
        Recorder held = submit(prompt, params(40, 20, false, Set.of(stop)));
        assertThat(held.finished().generatedTokens()).isGreaterThanOrEqualTo(20);
        assertThat(held.tokens()[12]).isNotEqualTo(stop);
        // A prompt whose answer starts with EOS.
        int[] eos = promptBefore(EOS);
        Recorder ended = submit(eos, SamplingParams.greedy(5));
        assertThat(ended.finished().reason()).isEqualTo(FinishReason.STOP);
        assertThat(ended.finished().stopTokenId()).isEqualTo(EOS);
        assertThat(submit(eos, params(5, 0, true, Set.of())).finished().generatedTokens())
                .isEqualTo(5);
    }

    @Test
    void choicesShareThePromptAndDifferBySeed() {
        start(64, TestOptions.cpu().build());
        SamplingParams params =
                new SamplingParams(1, 0, 1, 0, 1, 0, 0, 77, 10, 0, true, Set.of(), Map.of(), List.of(), -1, -1);
        Request request = new Request("multi", prompt(1, 100), params);
        List<Recorder> recorders = new ArrayList<>();
        for (Request choice : request.choices(4)) {
            recorders.add(submit(choice));
        }
        Set<List<Integer>> texts = new HashSet<>();
        for (int i = 0; i < 4; i++) {
            assertThat(recorders.get(i).finished().cachedTokens()).isEqualTo(i == 0 ? 0 : 96);
            assertThat(recorders.get(i).tokens()).isEqualTo(expected(prompt(1, 100), 10, 77 + i));
            texts.add(Arrays.stream(recorders.get(i).tokens()).boxed().toList());
        }
        assertThat(texts).hasSize(4);
    }

    @Test
    void saltsKeepTenantsApart() {
        start(64, TestOptions.cpu().build());
        for (String salt : new String[] {"a", "b", "a"}) {
            submit(new Request(id(), prompt(1, 50), SamplingParams.greedy(1), 0, salt, 0))
                    .finished();
        }
        assertThat(engine().stats().prefixCacheHits()).isEqualTo(48);
        assertThat(engine().stats().prefixCacheQueries()).isEqualTo(150);
    }

    @Test
    void prefixesAreForgottenWhenToldSo() {
        start(64, TestOptions.cpu().build());
        submit(prompt(1, 50), SamplingParams.greedy(1)).finished();
        Recorder running = submit(prompt(1, 50), SamplingParams.greedy(400));
        running.awaitTokens(3);
        engine().resetPrefixCache().join();
        Recorder after = submit(prompt(1, 50), SamplingParams.greedy(3));
        assertThat(after.finished().cachedTokens()).isZero();
        assertThat(after.tokens()).isEqualTo(expected(prompt(1, 50), 3, 0));
        assertThat(running.finished().cachedTokens()).isEqualTo(48);
        assertThat(running.tokens()).isEqualTo(expected(prompt(1, 50), 400, 0));
        assertThat(submit(prompt(1, 50), SamplingParams.greedy(1)).finished().cachedTokens())
                .as("and learnt again")
                .isEqualTo(48);
    }

    @Test
    void logprobsComeWithTheirTokensAndThePromptsOnce() {
        start(64, TestOptions.cpu().maxNumBatchedTokens(128).build());
        int[] prompt = prompt(1, 300);
        submit(prompt, SamplingParams.greedy(1)).finished();
        SamplingParams params =
                new SamplingParams(0, 0, 1, 0, 1, 0, 0, 0, 3, 0, false, Set.of(), Map.of(), List.of(), 2, 1);
        Recorder r = submit(prompt, params);
        assertThat(r.finished().cachedTokens()).isZero();
        assertThat(r.events().getFirst()).isInstanceOfSatisfying(PromptLogprobs.class, event -> {
            assertThat(event.tokens()).hasSize(299);
            for (int i = 0; i < 299; i++) {
                assertThat(event.tokens().get(i).id()).isEqualTo(prompt[i + 1]);
                assertThat(event.tokens().get(i).logprob()).isEqualTo(-(i + 1f));
                assertThat(event.tokens().get(i).topIds()).hasSize(1);
            }
        });
        assertThat(r.events().get(1)).isInstanceOfSatisfying(Tokens.class, event -> {
            assertThat(Objects.requireNonNull(event.logprobs())).hasSize(1);
            assertThat(Objects.requireNonNull(event.logprobs()).getFirst().topIds())
                    .hasSize(2);
            assertThat(Objects.requireNonNull(event.logprobs()).getFirst().logprob())
                    .isEqualTo(-300f);
        });
        assertThat(r.tokens()).isEqualTo(expected(prompt, 3, 0));
    }

    @Test
    void aStepThatThrowsFailsOnlyItsCulprit() {
        start(64, TestOptions.cpu().build());
        runner.stepwise();
        Recorder good = submit(prompt(1, 20), SamplingParams.greedy(20));
        Recorder bad = submit(new int[] {1, 2, FakeRunner.POISON}, SamplingParams.greedy(20));
        Recorder nan = submit(new int[] {1, FakeRunner.CORRUPT, 2}, SamplingParams.greedy(20));
        Recorder alsoGood = submit(prompt(2, 20), SamplingParams.greedy(20));
        runner.free();
        assertThat(bad.failed().message()).contains("poisoned");
        assertThat(nan.failed().message()).contains("NaN");
        assertThat(nan.failed().retryable()).isFalse();
        assertThat(good.finished().reason()).isEqualTo(FinishReason.LENGTH);
        assertThat(good.tokens()).isEqualTo(expected(prompt(1, 20), 20, 0));
        int generated = alsoGood.finished().generatedTokens();
        assertThat(alsoGood.tokens()).hasSize(generated);
        assertThat(engine().stats().alive()).isTrue();
        assertThat(engine().stats().corruptedRequests()).isEqualTo(1);
    }

    @Test
    void aListenerThatThrowsLosesItsRequestOnly() {
        start(64, TestOptions.cpu().build());
        runner.stepwise();
        CompletableFuture<EngineEvent> end = new CompletableFuture<>();
        CompletableFuture<Void> thrown = new CompletableFuture<>();
        engine().submit(new Request("bad", prompt(1, 4), params(1000, 0, true, Set.of())), event -> {
            if (event instanceof Tokens) {
                thrown.complete(null);
                throw new IllegalStateException("listener");
            }
            end.complete(event);
        });
        Recorder other = submit(prompt(2, 4), SamplingParams.greedy(50));
        runner.permit(1);
        thrown.orTimeout(10, TimeUnit.SECONDS).join();
        sleep(50);
        runner.free();
        assertThat(end.orTimeout(10, TimeUnit.SECONDS).join())
                .isInstanceOfSatisfying(
                        EngineEvent.Finished.class, e -> assertThat(e.reason()).isEqualTo(FinishReason.ABORT));
        other.finished();
    }

    @Test
    void aTimeLimitFailsTheRequest() {
        start(64, TestOptions.cpu().build());
        runner.stepwise();
        Recorder r = submit(
                new Request(id(), prompt(1, 4), SamplingParams.greedy(1000), 0, "", System.nanoTime(), 30_000_000));
        sleep(50);
        runner.permit(2);
        assertThat(r.failed().message()).contains("30 ms");
        assertThat(r.failed().retryable()).isTrue();
    }

    @Test
    void drainFinishesWhatRunsAndRefusesTheRest() {
        start(64, TestOptions.cpu().build());
        runner.stepwise();
        Recorder r = submit(prompt(1, 4), SamplingParams.greedy(20));
        CompletableFuture<Void> drained = engine().drain();
        assertThatThrownBy(() -> submit(prompt(2, 4), SamplingParams.greedy(1)))
                .isInstanceOf(IllegalStateException.class);
        assertThat(drained).isNotDone();
        runner.free();
        drained.orTimeout(10, TimeUnit.SECONDS).join();
        assertThat(r.isDone()).isTrue();
        assertThat(r.finished().reason()).isEqualTo(FinishReason.LENGTH);
        engine().drain().orTimeout(10, TimeUnit.SECONDS).join();
    }

    @Test
    void drainAbortsAtItsDeadline() {
        start(64, TestOptions.cpu().build());
        runner.stepwise();
        Recorder r = submit(prompt(1, 4), SamplingParams.greedy(1000));
        CompletableFuture<Void> drained = engine().drain(Duration.ofMillis(20));
        sleep(40);
        runner.permit(2);
        drained.orTimeout(10, TimeUnit.SECONDS).join();
        assertThat(r.finished().reason()).isEqualTo(FinishReason.ABORT);
    }

    @Test
    void closeAbortsWhatIsLeft() {
        start(64, TestOptions.cpu().maxNumSeqs(1).build());
        runner.stepwise();
        Recorder r = submit(prompt(1, 4), SamplingParams.greedy(900));
        Recorder waiting = submit(prompt(2, 4), SamplingParams.greedy(900));
        runner.permit(1);
        r.awaitFirstToken();
        CompletableFuture<Void> closed = CompletableFuture.runAsync(engine()::close);
        sleep(20);
        runner.free();
        closed.orTimeout(10, TimeUnit.SECONDS).join();
        assertThat(r.finished().reason()).isEqualTo(FinishReason.ABORT);
        assertThat(waiting.finished().reason()).isEqualTo(FinishReason.ABORT);
        assertThat(engine().stats().alive()).isFalse();
        assertThatThrownBy(() -> submit(prompt(2, 4), SamplingParams.greedy(1)))
                .isInstanceOf(IllegalStateException.class);
        engine().drain().orTimeout(10, TimeUnit.SECONDS).join();
    }

    @Test
    void anIdleEngineDoesNotBurnItsCore() {
        start(64, TestOptions.cpu().build());
        submit(prompt(1, 4), SamplingParams.greedy(3)).finished();
        sleep(20);
        Thread thread = Thread.getAllStackTraces().keySet().stream()
                .filter(t -> t.getName().equals("apus-engine"))
                .findFirst()
                .orElseThrow();
        assertThat(thread.getState()).isEqualTo(Thread.State.WAITING);
    }

    void start(int blocks, EngineOptions options) {
        runner = new FakeRunner(blocks, Integer.MAX_VALUE, depth());
        engine = new LocalEngine(runner, options, blocks, 1024, List.of(EOS));
    }

    FakeRunner runner() {
        return runner;
    }

    /** What {@link #close} lets run to its end. */
    void runner(FakeRunner other) {
        runner = other;
    }

    LocalEngine engine() {
        return Objects.requireNonNull(engine);
    }

    private String id() {
        return "r" + ids++;
    }

    Recorder submit(int[] prompt, SamplingParams params) {
        return submit(new Request(id(), prompt, params));
    }

    Recorder submit(Request request) {
        Recorder recorder = new Recorder();
        engine().submit(request, recorder);
        return recorder;
    }

    static SamplingParams params(int maxTokens, int minTokens, boolean ignoreEos, Set<Integer> stops) {
        return new SamplingParams(
                0, 0, 1, 0, 1, 0, 0, 0, maxTokens, minTokens, ignoreEos, stops, Map.of(), List.of(), -1, -1);
    }

    /** Prompts of one kind are prefixes of each other. */
    static int[] prompt(int kind, int length) {
        int[] prompt = new int[length];
        Random random = new Random(kind);
        Arrays.setAll(prompt, i -> 10 + random.nextInt(800));
        return prompt;
    }

    private static int[] promptBefore(int id) {
        for (int kind = 0; ; kind++) {
            if (FakeRunner.next(prompt(kind, 6), 0) == id) {
                return prompt(kind, 6);
            }
        }
    }

    private static int[] expected(int[] prompt, int count, long seed) {
        return expected(prompt, count, seed, seed == 0 ? EOS : -1);
    }

    /** What the model says after a prompt, up to {@code eos}. */
    static int[] expected(int[] prompt, int count, long seed, int eos) {
        int[] all = Arrays.copyOf(prompt, prompt.length + count);
        for (int i = prompt.length; i < all.length; i++) {
            all[i] = FakeRunner.next(Arrays.copyOf(all, i), seed);
            if (all[i] == eos) {
                return Arrays.copyOfRange(all, prompt.length, i + 1);
            }
        }
        return Arrays.copyOfRange(all, prompt.length, all.length);
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
