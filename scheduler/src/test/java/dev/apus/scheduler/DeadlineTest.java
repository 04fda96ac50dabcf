package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.scheduler.EngineEvent.Failed;
import dev.apus.scheduler.EngineEvent.FailureKind;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests with deadlines, in the real engine over a model that takes its steps when the test says so. */
class DeadlineTest {
    private static final long SECOND = 1_000_000_000;

    private final AtomicLong clock = new AtomicLong(5 * SECOND);
    private final FakeRunner runner = new FakeRunner(64).stepwise();
    private LocalEngine engine = engine();

    private LocalEngine engine() {
        return new LocalEngine(runner, TestOptions.cpu().maxNumSeqs(1).build(), 64, 1024, List.of(), clock::get);
    }

    @BeforeEach
    void occupyTheOnlyPlace() {
        submit(request("first", 20));
    }

    @AfterEach
    void close() {
        runner.free();
        engine.close();
        engine.checkAfterClose();
    }

    @Test
    void aRequestThatWaitsTooLongForItsFirstTokenExpires() {
        Recorder late = submit(request("late", 5).withTtftDeadlineNanos(SECOND));
        clock.addAndGet(SECOND + 1);
        runner.permit(2);
        Failed failed = late.failed();
        assertThat(failed.kind()).isEqualTo(FailureKind.QUEUE_EXPIRED);
        assertThat(failed.retryable()).isTrue();
        assertThat(failed.message()).contains("waited longer than");
        assertThat(late.tokens()).isEmpty();
    }

    @Test
    void aRequestThatWaitsPastItsWholeDeadlineExpiresToo() {
        Recorder late = submit(request("late", 5).withDeadlineNanos(SECOND));
        clock.addAndGet(SECOND + 1);
        runner.permit(2);
        assertThat(late.failed().kind()).isEqualTo(FailureKind.QUEUE_EXPIRED);
    }

    @Test
    void aRunningRequestThatIsNotDoneInTimeFailsWithTheNumberOfItsTokens() {
        engine.abort("first");
        Recorder running =
                submit(request("running", 1000).withDeadlineNanos(SECOND).withTtftDeadlineNanos(SECOND / 2));
        runner.permit(2);
        running.awaitFirstToken();
        // Its first token was in time: what it wanted of that does not count any more.
        clock.addAndGet(SECOND);
        runner.permit(1);
        running.awaitTokens(2);
        clock.addAndGet(1);
        runner.permit(1);
        Failed failed = running.failed();
        assertThat(failed.kind()).isEqualTo(FailureKind.DEADLINE);
        assertThat(failed.message()).contains(running.tokens().length + " tokens were generated");
    }

    @Test
    void aDeadlineThatIsMetChangesNothing() {
        runner.free();
        Recorder r = submit(request("r", 5).withDeadlineNanos(1).withTtftDeadlineNanos(1));
        assertThat(r.finished().generatedTokens()).isEqualTo(5);
    }

    @Test
    void deadlinesAreNotNegative() {
        assertThatThrownBy(() -> request("r", 1).withDeadlineNanos(-1)).hasMessageContaining("-1 ns");
        assertThatThrownBy(() -> request("r", 1).withTtftDeadlineNanos(-2)).hasMessageContaining("-2 ns");
    }

    private static Request request(String id, int tokens) {
        return new Request(id, LocalEngineTest.prompt(1, 10), SamplingParams.greedy(tokens), 0, "", 5 * SECOND);
    }

    private Recorder submit(Request request) {
        Recorder recorder = new Recorder();
        engine.submit(request, recorder);
        return recorder;
    }
}
