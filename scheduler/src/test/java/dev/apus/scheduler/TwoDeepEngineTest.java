package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The engine on a runner that takes two steps in flight: all that holds for one step at a time, and what its faults do. */
class TwoDeepEngineTest extends LocalEngineTest {
    private static final int BLOCKS = 64;

    @Override
    int depth() {
        return 2;
    }

    /** The device is lost with a step: all in flight fail, and the engine ends. */
    @Override
    @Test
    void aStepThatThrowsFailsOnlyItsCulprit() {
        start(BLOCKS, TestOptions.cpu().build());
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
        start(BLOCKS, TestOptions.cpu().build());
        runner().stepwise();
        Recorder good = submit(prompt(1, 20), SamplingParams.greedy(20));
        Recorder nan = submit(new int[] {1, FakeRunner.CORRUPT, 2}, SamplingParams.greedy(20));
        runner().free();
        assertThat(nan.failed().message()).contains("NaN");
        assertThat(good.finished().generatedTokens()).isPositive();
        assertThat(engine().stats().corruptedRequests()).isEqualTo(1);
    }

    @Test
    void afterAFaultTheWaitingFailToo() {
        start(BLOCKS, TestOptions.cpu().maxNumSeqs(2).build());
        runner().stepwise();
        Recorder running = submit(prompt(1, 20), params(200, 0, true, Set.of()));
        runner().permit(2);
        running.awaitFirstToken();
        Recorder bad = submit(new int[] {1, 2, FakeRunner.POISON}, SamplingParams.greedy(20));
        List<Recorder> waiting = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            waiting.add(submit(prompt(10 + i, 30), params(30, 0, true, Set.of())));
        }
        runner().free();
        assertThat(bad.failed().message()).contains("the device failed").contains("poisoned");
        assertThat(running.failed().retryable()).isTrue();
        assertThat(waiting).allSatisfy(request -> {
            assertThat(request.failed().retryable()).isTrue();
            assertThat(request.tokens()).isEmpty();
        });
        engine().close();
        assertThat(engine().stats().alive()).isFalse();
        assertThat(engine().stats().running() + engine().stats().waiting()).isZero();
    }

    @Test
    void onlyATokenAfterAStopIdIsDrawnInVain() {
        start(BLOCKS, TestOptions.cpu().build());
        int[] prompt = prompt(1, 10);
        assertThat(submit(prompt, params(30, 0, true, Set.of())).finished().generatedTokens())
                .isEqualTo(30);
        engine().drain().join();
        assertThat(runner().drawn.get()).isEqualTo(30);
        engine().close();
        int stop = expected(prompt, 30, 0, -1)[12];
        start(BLOCKS, TestOptions.cpu().build());
        assertThat(submit(prompt, params(30, 0, true, Set.of(stop))).finished().stopTokenId())
                .isEqualTo(stop);
        engine().drain().join();
        assertThat(runner().drawn.get()).isEqualTo(14);
    }
}
