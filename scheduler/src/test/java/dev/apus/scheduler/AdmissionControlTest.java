package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.scheduler.EngineEvent.FailureKind;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/**
 * The door on its own, by a clock of the test, of an engine whose step takes 10 ms and 0.1 ms a token: 100 tokens a step, four places, answers of
 * 20 tokens.
 */
class AdmissionControlTest {
    private static final long MILLISECOND = 1_000_000;
    private static final Tenant OTHER = Tenant.named("other");

    private final AtomicLong clock = new AtomicLong(1);
    private final EngineOptions options = TestOptions.cpu()
            .maxNumSeqs(4)
            .maxNumBatchedTokens(100)
            .maxWaiting(1000)
            .build();
    private AdmissionControl door = new AdmissionControl(options, clock::get);
    private int ids;

    private void learn() {
        for (int i = 0; i < 2 * ServiceRates.LEAST_STEPS; i++) {
            int tokens = 4 + i % 3 * 48;
            door.rates().step(tokens, 10 * MILLISECOND + tokens * MILLISECOND / 10);
        }
        for (int i = 0; i < ServiceRates.LEAST_ENDS; i++) {
            door.rates().ended(20);
        }
        for (int i = 0; i < 10 * ServiceRates.LEAST_CHECKS; i++) {
            door.rates().check(1000, 1000);
        }
    }

    private Request request(int promptTokens) {
        return new Request(
                "r" + ids++, LocalEngineTest.prompt(ids, promptTokens), SamplingParams.greedy(20), 0, "", clock.get());
    }

    private static Submission submission(Request request) {
        return new Submission(request, event -> {}, FakeRunner.VOCAB, 10_000, List.of());
    }

    private Submission admit(Request request) {
        Submission submission = submission(request);
        door.admit(List.of(submission));
        return submission;
    }

    /** Four that run, whose prompts are computed. */
    private List<Submission> fill() {
        List<Submission> running = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Submission submission = admit(request(10));
            door.begun(submission, 0, clock.get());
            door.computed(submission, 10);
            running.add(submission);
        }
        return running;
    }

    @Test
    void aServerThatKnowsNothingRefusesNothing() {
        fill();
        for (int i = 0; i < 100; i++) {
            admit(request(50).withTtftDeadlineNanos(1).withDeadlineNanos(1));
        }
        assertThat(door.inFlight()).isEqualTo(104);
    }

    @Test
    void anIdleEngineRefusesNothing() {
        learn();
        Submission alone = admit(request(5000).withTtftDeadlineNanos(1));
        door.takeBack(alone);
        assertThat(door.tenants()).isZero();
    }

    @Test
    void aFreePlaceAndNoPromptBeforeIsNoReasonToRefuse() {
        learn();
        fill().subList(0, 1).forEach(door::ended);
        assertThatCode(() -> admit(request(10).withTtftDeadlineNanos(1))).doesNotThrowAnyException();
    }

    /** Five ends of four running answers of 20 tokens: 25 steps of 10.4 ms, and 200 prompt tokens of 0.1 ms. */
    @Test
    void whoWouldWaitPastItsDeadlineIsRefusedAndLeavesNothing() {
        learn();
        fill();
        for (int i = 0; i < 4; i++) {
            admit(request(50));
        }
        assertThatThrownBy(() -> admit(request(50).withTtftDeadlineNanos(280 * MILLISECOND)))
                .isInstanceOfSatisfying(
                        DeadlineException.class,
                        e -> assertThat(e.retryAfterSeconds()).isEqualTo(1))
                .hasMessageMatching("the first token would come in about (29\\d|30\\d) ms, is wanted within 280 ms");
        assertThat(door.inFlight()).isEqualTo(8);
        assertThat(door.queuedTokens()).isEqualTo(200);
        assertThatCode(() -> admit(request(50).withTtftDeadlineNanos(320 * MILLISECOND)))
                .doesNotThrowAnyException();
    }

    @Test
    void theTimeThatPassedBeforeItCameCounts() {
        learn();
        fill();
        Request request = request(50).withTtftDeadlineNanos(200 * MILLISECOND);
        clock.addAndGet(190 * MILLISECOND);
        assertThatThrownBy(() -> admit(request)).hasMessageContaining("wanted within 10 ms");
        clock.addAndGet(20 * MILLISECOND);
        assertThatThrownBy(() -> admit(request)).hasMessageContaining("a time that has passed");
    }

    /** The wait of five steps, a step of its own, and half of an answer of 20 tokens. */
    @Test
    void theDeadlineOfTheAnswerCountsWithHalfTheUsualLength() {
        learn();
        fill();
        assertThatThrownBy(() -> admit(request(10).withDeadlineNanos(140 * MILLISECOND)))
                .hasMessageContaining("the answer would come in about");
        assertThatCode(() -> admit(request(10).withDeadlineNanos(170 * MILLISECOND)))
                .doesNotThrowAnyException();
    }

    @Test
    void whatHasLowerPriorityDoesNotStandBefore() {
        learn();
        fill();
        for (int i = 0; i < 50; i++) {
            admit(request(50).withPriority(5));
        }
        assertThatCode(() -> admit(request(50).withPriority(4).withTtftDeadlineNanos(100 * MILLISECOND)))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> admit(request(50).withPriority(5).withTtftDeadlineNanos(1000 * MILLISECOND)))
                .isInstanceOf(DeadlineException.class);
    }

    /** Beyond 16 priorities are one class: what may stand behind is not counted. */
    @Test
    void priorityFarFromTheUsualErrTowardsTaking() {
        learn();
        fill();
        for (int i = 0; i < 50; i++) {
            admit(request(50).withPriority(100));
        }
        assertThatCode(() -> admit(request(50).withPriority(200).withTtftDeadlineNanos(100 * MILLISECOND)))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> admit(request(50).withPriority(15).withTtftDeadlineNanos(50 * MILLISECOND)))
                .isInstanceOf(DeadlineException.class);
    }

    /** However long another's queue, it stands before a tenant's as far as the tenant's own. */
    @Test
    void anotherTenantsQueueCountsByTurns() {
        learn();
        for (int i = 0; i < 200; i++) {
            admit(request(50).withTenant(OTHER));
        }
        assertThatCode(() -> admit(request(50).withTtftDeadlineNanos(20 * MILLISECOND)))
                .doesNotThrowAnyException();
        double one = waitOf(request(50));
        admit(request(50));
        double two = waitOf(request(50));
        assertThat(two).isGreaterThan(one).isLessThan(20 * (one + 100 * MILLISECOND));
        assertThat(waitOf(request(50).withTenant(OTHER))).isGreaterThan(10 * two);
        assertThat(waitOf(request(50).withTenant(new Tenant("default", 10, 1))))
                .as("of a tenant of ten times the weight")
                .isLessThan(two);
    }

    private double waitOf(Request request) {
        Submission submission = admit(request);
        door.takeBack(submission);
        return submission.predictedWaitNanos;
    }

    @Test
    void tokensBeyondTheLimitAreRefusedButNeverAloneOnes() {
        door = new AdmissionControl(TestOptions.cpu().maxNumQueuedTokens(100).build(), clock::get);
        Submission large = admit(request(500));
        assertThatThrownBy(() -> admit(request(1)))
                .isInstanceOfSatisfying(
                        QueueFullException.class, e -> assertThat(e.limit()).isEqualTo(QueueFullException.Limit.TOKENS))
                .hasMessage("500 prompt tokens are queued, 1 more are beyond the limit of 100");
        door.begun(large, 16, clock.get());
        door.computed(large, 400);
        admit(request(16));
        assertThatThrownBy(() -> admit(request(1))).hasMessageContaining("100 prompt tokens are queued");
        door.ended(large);
        assertThat(door.queuedTokens()).isEqualTo(16);
        assertThat(door.inFlight()).isEqualTo(1);
    }

    @Test
    void aPromptOfSeveralChoicesCountsOnce() {
        List<Submission> choices = request(50).choices(4).stream()
                .map(AdmissionControlTest::submission)
                .toList();
        door.admit(choices);
        assertThat(door.queuedTokens()).isEqualTo(53);
        choices.forEach(door::takeBack);
        assertThat(door.queuedTokens()).isZero();
        door = new AdmissionControl(TestOptions.cpu().enablePrefixCaching(false).build(), clock::get);
        door.admit(choices);
        assertThat(door.queuedTokens()).as("without a prefix cache").isEqualTo(200);
    }

    @Test
    void requestsInFlightMayHaveALimitOfTheirOwn() {
        door = new AdmissionControl(TestOptions.cpu().maxNumQueuedReqs(2).build(), clock::get);
        door.begun(admit(request(10)), 0, clock.get());
        admit(request(10));
        assertThatThrownBy(() -> admit(request(10)))
                .isInstanceOf(QueueFullException.class)
                .hasMessage("2 requests wait or run, the limit is 2");
        List<Submission> three = request(5).choices(3).stream()
                .map(AdmissionControlTest::submission)
                .toList();
        assertThatThrownBy(() -> door.admit(three))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("makes 3 sequences, at most 2");
    }

    /** A server whose waits are a tenth of what the formula says refuses less and less; one that is slower learns it up to twice. */
    @Test
    void predictionsAreCorrectedByWhatBecameOfThem() {
        learn();
        fill();
        admit(request(50));
        double plain = waitOf(request(50));
        for (int i = 0; i < 200; i++) {
            door.rates().check(plain, plain / 5);
        }
        assertThat(door.rates().correction()).isBetween(0.19, 0.26);
        for (int i = 0; i < 200; i++) {
            door.rates().check(plain, plain * 5);
        }
        assertThat(door.rates().correction()).isBetween(2.0, 2.5);
    }

    @Test
    void anExpiredRequestShowsThatItsPredictionWasTooShort() {
        learn();
        fill();
        for (int i = 0; i < 10; i++) {
            admit(request(50));
        }
        double before = door.rates().correction();
        Submission late = admit(request(50));
        clock.addAndGet(5_000 * MILLISECOND);
        door.failed(late, FailureKind.QUEUE_EXPIRED, clock.get());
        door.ended(late);
        assertThat(door.rates().correction()).isGreaterThan(before);
    }

    @Test
    void whoFillsTheQueueLeavesPlacesForOthers() {
        door = new AdmissionControl(
                TestOptions.cpu().maxNumSeqs(4).maxWaiting(16).build(), clock::get);
        door.ended(admit(request(1).withTenant(OTHER)));
        List<Submission> flood = new ArrayList<>();
        for (int i = 0; i < 18; i++) {
            flood.add(admit(request(1)));
        }
        assertThatThrownBy(() -> admit(request(1)))
                .isInstanceOf(QueueFullException.class)
                .hasMessageContaining("kept for tenants that have fewer");
        admit(request(1).withTenant(OTHER));
        admit(request(1).withTenant(Tenant.named("third")));
        assertThatThrownBy(() -> admit(request(1).withTenant(OTHER))).isInstanceOf(QueueFullException.class);
        assertThat(door.inFlight()).isEqualTo(20);
        flood.forEach(door::ended);
        assertThat(door.inFlight()).isEqualTo(2);
    }

    @Test
    void oneTenantAloneHasAllPlaces() {
        door = new AdmissionControl(
                TestOptions.cpu().maxNumSeqs(4).maxWaiting(16).build(), clock::get);
        for (int i = 0; i < 20; i++) {
            admit(request(1));
        }
        assertThatThrownBy(() -> admit(request(1))).isInstanceOf(QueueFullException.class);
    }

    /** A refusal of many takes no place from one that fits, not even for a moment. */
    @Test
    void placesAreExactWhateverOthersAskFor() throws Exception {
        door = new AdmissionControl(
                TestOptions.cpu().maxNumSeqs(4).maxWaiting(16).build(), clock::get);
        for (int i = 0; i < 15; i++) {
            admit(request(1));
        }
        List<Submission> six = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            six.add(submission(request(1)));
        }
        AtomicBoolean done = new AtomicBoolean();
        AtomicInteger admitted = new AtomicInteger();
        Thread greedy = Thread.ofPlatform().start(() -> {
            while (!done.get()) {
                try {
                    door.admit(six);
                    admitted.incrementAndGet();
                } catch (QueueFullException e) {
                    Thread.onSpinWait();
                }
            }
        });
        try {
            Submission one = submission(request(1));
            for (int i = 0; i < 200_000; i++) {
                door.admit(List.of(one));
                door.takeBack(one);
            }
        } finally {
            done.set(true);
            greedy.join();
        }
        assertThat(admitted).hasValue(0);
        assertThat(door.inFlight()).isEqualTo(15);
    }
}
