package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Clients that read slowly or not at all, which must cost neither memory nor other clients' time. */
@Timeout(60)
class SlowClientTest {
    /** A window below a segment of the loopback (64 KiB) would be served by the timer of window probes, in minutes. */
    private static final int SMALL = 128 << 10;

    private static final int MOST_PENDING = 50_000;
    /** What the system's socket buffers take may be megabytes; the server's own part is far less. */
    private static final int MOST_EMITTED = 60_000;

    @Test
    void aStreamThatNobodyReadsIsCutOff() throws Exception {
        try (ServerFixture fixture = new ServerFixture(options -> options.maxPendingBytes(MOST_PENDING));
                RawClient slow = new RawClient(fixture.server, SMALL);
                RawClient other = fixture.connect()) {
            ManualEngine.Work work = fixture.start(slow, true);
            int emitted = 0;
            while (fixture.engine.aborted().isEmpty() && emitted < MOST_EMITTED) {
                work.emit("x".repeat(100));
                emitted++;
                if (emitted % 20 == 0) {
                    Thread.sleep(1);
                }
            }

            assertThat(fixture.engine.aborted()).containsExactly(work.request.id());
            assertThat(other.send(RawClient.get("/health")).readAnswer()).contains(" 200 ");
            String text = slow.readAll();
            assertThat(text).startsWith("HTTP/1.1 200").doesNotContain("[DONE]");
        }
    }

    @Test
    void aStreamThatIsReadInTimeGoesOnWhole() throws Exception {
        try (ServerFixture fixture = new ServerFixture();
                RawClient slow = new RawClient(fixture.server, SMALL)) {
            ManualEngine.Work work = fixture.start(slow, true);
            for (int i = 0; i < 5000; i++) {
                work.emit("0123456789");
            }
            Thread.sleep(100); // the server has filled what it may by now
            fixture.engine.finish(work);

            String text = slow.readUntil("data: [DONE]\n\n\r\n0\r\n\r\n");
            StringBuilder joined = new StringBuilder();
            text.lines().filter(line -> line.contains("\"text\":\"")).forEach(line -> {
                int from = line.indexOf("\"text\":\"") + 8;
                joined.append(line, from, line.indexOf('"', from));
            });
            assertThat(joined.toString()).isEqualTo("0123456789".repeat(5000));
        }
    }

    @Test
    void aClientThatReadsNothingForTooLongIsClosed() throws Exception {
        try (ServerFixture fixture = new ServerFixture(
                        options -> options.stallTimeout(Duration.ofMillis(300)).maxPendingBytes(64 << 20));
                RawClient slow = new RawClient(fixture.server, SMALL)) {
            ManualEngine.Work work = fixture.start(slow, true);
            for (int i = 0; i < 200; i++) {
                work.emit("x".repeat(100_000));
            }

            ServerFixture.await(
                    "the request is aborted", () -> fixture.engine.aborted().size() == 1);
        }
    }

    /** The time of a stall is for a client that reads nothing, not for the whole of a long answer. */
    @Test
    void aClientThatReadsSteadilyGetsALongAnswer() throws Exception {
        int pieces = 300;
        try (ServerFixture fixture = new ServerFixture(
                        options -> options.stallTimeout(Duration.ofMillis(400)).maxPendingBytes(64 << 20));
                RawClient slow = new RawClient(fixture.server, SMALL)) {
            ManualEngine.Work work = fixture.start(slow, false);
            for (int i = 0; i < pieces; i++) {
                work.emit("x".repeat(100_000));
            }
            fixture.engine.finish(work);

            String head = slow.readUntil("\r\n\r\n");
            int from = head.indexOf("content-length: ") + "content-length: ".length();
            int length = Integer.parseInt(head.substring(from, head.indexOf('\r', from)));
            assertThat(length).isGreaterThan(pieces * 100_000);
            long started = System.nanoTime();
            int read = slow.readSlowly(length, 256 << 10, 15);
            assertThat(read).isEqualTo(length);
            assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThan(Duration.ofMillis(1200));
        }
    }

    /** Answers to a client that only asks may not pile up: it is asked to read before it is answered further. */
    @Test
    void pipelinedRequestsWaitForAClientThatDoesNotRead() throws Exception {
        int requests = 400;
        try (ServerFixture fixture = new ServerFixture();
                RawClient slow = new RawClient(fixture.server, SMALL);
                RawClient other = fixture.connect()) {
            slow.send(RawClient.get("/metrics").repeat(requests - 1) + RawClient.get("/metrics", "Connection: close"));
            double answered = settled(other);

            assertThat(answered).isLessThan(requests);
            String all = slow.readAll();
            assertThat(all.split("HTTP/1.1 200 OK", -1)).hasSize(requests + 1);
        }
    }

    /** How many requests to {@code /metrics} have been answered, once no more are. */
    private static double settled(RawClient other) throws Exception {
        double before;
        double now = answered(other);
        do {
            before = now;
            Thread.sleep(300);
            now = answered(other);
        } while (now > before + 1);
        return now;
    }

    private static double answered(RawClient other) throws Exception {
        String text = other.send(RawClient.get("/metrics")).readAnswer();
        return text.lines()
                .filter(line -> line.startsWith("http_requests_total{handler=\"/metrics\""))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }
}
