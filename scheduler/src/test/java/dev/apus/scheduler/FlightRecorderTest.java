package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What Java Flight Recorder is told of the engine. */
@Timeout(60)
class FlightRecorderTest {
    private static final int PROMPT = 20;
    private static final int TOKENS = 5;

    private final List<RecordedEvent> steps = new CopyOnWriteArrayList<>();
    private final List<RecordedEvent> requests = new CopyOnWriteArrayList<>();

    @Test
    void stepsAndRequestsAreRecorded() throws Exception {
        EngineOptions options =
                TestOptions.cpu().maxNumSeqs(4).maxNumBatchedTokens(16).build();
        try (RecordingStream stream = new RecordingStream()) {
            stream.enable("dev.apus.Step");
            stream.enable("dev.apus.Request");
            stream.setReuse(false);
            stream.onEvent("dev.apus.Step", steps::add);
            stream.onEvent("dev.apus.Request", requests::add);
            stream.startAsync();
            try (LocalEngine engine = new LocalEngine(new FakeRunner(100), options, 100, 512, List.of())) {
                CountDownLatch ended = new CountDownLatch(1);
                SamplingParams params = SamplingParams.greedy(TOKENS);
                engine.submit(
                        new Request("r-1", new int[PROMPT], params).withTenant(new Tenant("team", 1, 1)), event -> {
                            if (event instanceof EngineEvent.Finished) {
                                ended.countDown();
                            }
                        });
                assertThat(ended.await(10, TimeUnit.SECONDS)).isTrue();
            }
            stream.stop();
        }

        assertThat(requests).singleElement().satisfies(request -> {
            assertThat(request.getString("requestId")).isEqualTo("r-1");
            assertThat(request.getString("tenant")).isEqualTo("team");
            assertThat(request.getString("reason")).isEqualTo("LENGTH");
            assertThat(request.getInt("promptTokens")).isEqualTo(PROMPT);
            assertThat(request.getInt("generatedTokens")).isEqualTo(TOKENS);
            assertThat(request.getDuration("prefill")).isPositive();
            assertThat(request.getDuration("decode")).isPositive();
        });
        assertThat(steps.stream().mapToInt(step -> step.getInt("promptTokens")).sum())
                .isEqualTo(PROMPT);
        assertThat(steps.stream().mapToInt(step -> step.getInt("decodeTokens")).sum())
                .isEqualTo(TOKENS - 1);
        assertThat(steps).hasSize(2 + TOKENS - 1).allSatisfy(step -> {
            assertThat(step.getInt("sequences")).isEqualTo(1);
            Duration parts =
                    step.getDuration("schedule").plus(step.getDuration("run")).plus(step.getDuration("emit"));
            assertThat(parts)
                    .isPositive()
                    .isLessThanOrEqualTo(step.getDuration().plusMillis(1));
        });
        // The prompt's 20 tokens take two blocks until the end.
        assertThat(steps.getFirst().getInt("usedBlocks")).isPositive();
        assertThat(steps.getLast().getInt("usedBlocks")).isZero();
    }

    @Test
    void nothingIsAllocatedWhileNobodyRecords() {
        FlightRecorder recorder = new FlightRecorder();
        Sequences sequences = new Sequences();
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        run(recorder, sequences, 1000);
        long before = threads.getCurrentThreadAllocatedBytes();
        run(recorder, sequences, 100_000);
        assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(10_000);
    }

    private static void run(FlightRecorder recorder, Sequences sequences, int steps) {
        for (int i = 0; i < steps; i++) {
            recorder.begin();
            recorder.scheduled(3, 2, 1, 0);
            recorder.ran();
            recorder.emitted();
            recorder.end(7);
            recorder.request(sequences, 0, "STOP", 1);
        }
    }
}
