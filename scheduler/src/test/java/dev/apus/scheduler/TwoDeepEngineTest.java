package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.scheduler.EngineEvent.FinishReason;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The engine on a runner that takes two steps in flight: all that holds for one step at a time, and what its faults do. */
class TwoDeepEngineTest extends LocalEngineTest {
    private static final int BLOCKS = 64;

    private final List<FakeRunner> reopened = new ArrayList<>();

    @Override
    int depth() {
        return 2;
    }

    /** The device is lost with a step: all in flight fail, and without a way to restart it the engine ends. */
    @Override
    @Test
    void aStepThatThrowsFailsOnlyItsCulprit() {
        start(BLOCKS, TestOptions.cpu().build(), null);
        runner().stepwise();
        Recorder good = submit(prompt(1, 20), SamplingParams.greedy(20));
        Recorder bad = submit(new int[] {1, 2, FakeRunner.POISON}, SamplingParams.greedy(20));
        runner().free();
        assertThat(bad.failed().message()).contains("poisoned");
        assertThat(good.failed().retryable()).isTrue();
        engine().close();
        assertThat(engine().stats().alive()).isFalse();
        assertThatThrownBy(() -> submit(prompt(1, 20), SamplingParams.greedy(20)))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void nanFailsItsRequestOnly() {
        start(BLOCKS, TestOptions.cpu().build(), null);
        runner().stepwise();
        Recorder good = submit(prompt(1, 20), SamplingParams.greedy(20));
        Recorder nan = submit(new int[] {1, FakeRunner.CORRUPT, 2}, SamplingParams.greedy(20));
        runner().free();
        assertThat(nan.failed().message()).contains("NaN");
        assertThat(good.finished().generatedTokens()).isPositive();
        assertThat(engine().stats().corruptedRequests()).isEqualTo(1);
    }

    @Test
    void afterAFaultTheWaitingAreServedByANewRunner() {
        start(BLOCKS, TestOptions.cpu().maxNumSeqs(2).build(), this::reopen);
        submit(prompt(7, 40), params(4, 0, true, Set.of())).finished();
        runner().stepwise();
        Recorder running = submit(prompt(1, 20), params(200, 0, true, Set.of()));
        runner().permit(2);
        running.awaitFirstToken();
        Recorder bad =
                submit(new Request("bad", new int[] {1, 2, FakeRunner.POISON}, SamplingParams.greedy(20), -1, "", 0));
        List<Recorder> waiting = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            waiting.add(submit(prompt(10 + i, 30), params(30, 0, true, Set.of())));
        }
        Recorder cached = submit(prompt(7, 40), params(4, 0, true, Set.of()));
        runner().free();
        assertThat(bad.failed().message()).contains("the device failed").contains("poisoned");
        assertThat(running.failed().retryable()).isTrue();
        for (int i = 0; i < 6; i++) {
            assertThat(waiting.get(i).finished().reason()).isEqualTo(FinishReason.LENGTH);
            assertThat(waiting.get(i).tokens()).isEqualTo(expected(prompt(10 + i, 30), 30, 0, -1));
        }
        // What the lost device had cached is computed anew.
        assertThat(cached.finished().cachedTokens()).isZero();
        assertThat(cached.tokens()).isEqualTo(expected(prompt(7, 40), 4, 0, -1));
        assertThat(reopened).hasSize(1);
        assertThat(engine().stats().alive()).isTrue();
        assertThat(submit(prompt(1, 20), params(9, 0, true, Set.of()))
                        .finished()
                        .generatedTokens())
                .isEqualTo(9);
    }

    @Test
    void aSecondFaultSoonAfterEndsTheEngine() {
        start(BLOCKS, TestOptions.cpu().build(), this::reopen);
        int[] poison = {1, 2, FakeRunner.POISON};
        assertThat(submit(poison, SamplingParams.greedy(20)).failed().retryable())
                .isTrue();
        assertThat(submit(prompt(1, 20), params(5, 0, true, Set.of()))
                        .finished()
                        .generatedTokens())
                .isEqualTo(5);
        assertThat(submit(poison, SamplingParams.greedy(20)).failed().message()).contains("poisoned");
        engine().close();
        assertThat(reopened).hasSize(1);
        assertThat(engine().stats().alive()).isFalse();
    }

    @Test
    void aRestartThatFailsEndsTheEngine() {
        start(BLOCKS, TestOptions.cpu().build(), () -> {
            throw new IllegalStateException("no device");
        });
        Recorder bad = submit(new int[] {1, 2, FakeRunner.POISON}, SamplingParams.greedy(20));
        assertThat(bad.failed().retryable()).isTrue();
        engine().close();
        assertThat(engine().stats().alive()).isFalse();
    }

    @Test
    void onlyATokenAfterAStopIdIsDrawnInVain() {
        start(BLOCKS, TestOptions.cpu().build(), null);
        int[] prompt = prompt(1, 10);
        assertThat(submit(prompt, params(30, 0, true, Set.of())).finished().generatedTokens())
                .isEqualTo(30);
        engine().drain().join();
        assertThat(runner().drawn.get()).isEqualTo(30);
        engine().close();
        int stop = expected(prompt, 30, 0, -1)[12];
        start(BLOCKS, TestOptions.cpu().build(), null);
        assertThat(submit(prompt, params(30, 0, true, Set.of(stop))).finished().stopTokenId())
                .isEqualTo(stop);
        engine().drain().join();
        assertThat(runner().drawn.get()).isEqualTo(14);
    }

    private Runner reopen() {
        FakeRunner fresh = new FakeRunner(BLOCKS, Integer.MAX_VALUE, 2);
        reopened.add(fresh);
        runner(fresh);
        return fresh;
    }
}
