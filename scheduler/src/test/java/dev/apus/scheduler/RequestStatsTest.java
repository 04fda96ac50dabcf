package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.RequestStats.State;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the engine tells of the requests in flight, while it runs. */
@Timeout(30)
class RequestStatsTest {
    private static final int BLOCKS = 8;

    private final FakeRunner runner = new FakeRunner(BLOCKS).stepwise();
    private final LocalEngine engine =
            new LocalEngine(runner, TestOptions.cpu().maxNumSeqs(2).build(), BLOCKS, 1024, List.of());

    @AfterEach
    void close() {
        runner.free();
        engine.close();
    }

    private Recorder submit(String id, int kind, int priority) {
        Recorder recorder = new Recorder();
        Request request = new Request(id, LocalEngineTest.prompt(kind, 40), SamplingParams.greedy(40), priority, "", 0);
        engine.submit(request, recorder);
        return recorder;
    }

    private RequestStats of(String id) {
        return engine.requests().stream()
                .filter(stats -> stats.id().equals(id))
                .findFirst()
                .orElseThrow();
    }

    private RequestStats await(String id, Predicate<RequestStats> condition) throws InterruptedException {
        RequestStats stats = of(id);
        while (!condition.test(stats)) {
            Thread.sleep(1);
            stats = of(id);
        }
        return stats;
    }

    @Test
    void aRequestWaitsRunsAndIsGone() throws Exception {
        assertThat(engine.requests()).isEmpty();
        Recorder first = submit("first", 1, 0);
        submit("second", 2, 0);
        Recorder third = submit("third", 3, 0);
        runner.permit(3);
        await("first", stats -> stats.computedTokens() >= 40);
        await("second", stats -> stats.state() == State.RUNNING);

        RequestStats running = of("first");
        assertThat(running.state()).isEqualTo(State.RUNNING);
        assertThat(running.promptTokens()).isEqualTo(40);
        assertThat(running.computedTokens()).isBetween(40, 42);
        assertThat(of("third")).isEqualTo(new RequestStats("third", State.WAITING, 40, 0, 0, 0));

        runner.free();
        first.finished();
        third.finished();
        engine.drain().join();
        assertThat(engine.requests()).isEmpty();
    }

    @Test
    void aPreemptedRequestSaysSoAndKeepsItsCount() throws Exception {
        Recorder low = submit("low", 1, 5);
        Recorder high = submit("high", 2, 1);
        // Steps until the cache is full: the one of lower priority gives way.
        RequestStats preempted = of("low");
        while (preempted.state() != State.PREEMPTED) {
            runner.permit(1);
            Thread.sleep(1);
            preempted = of("low");
        }
        assertThat(preempted.preemptions()).isEqualTo(1);
        assertThat(preempted.computedTokens()).isZero();
        runner.free();
        assertThat(low.finished().timing().preemptions()).isPositive();
        assertThat(high.finished().timing().preemptions()).isZero();
    }
}
