package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A stop lets what runs finish, up to a deadline. */
@Timeout(30)
class GracefulStopTest {
    private final ServerFixture fixture = new ServerFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    /** Repeated, because an answer could be lost only by a race with the close. */
    @RepeatedTest(5)
    void runningRequestsAreAnsweredWhole() throws Exception {
        try (RawClient streaming = fixture.connect();
                RawClient whole = fixture.connect()) {
            ManualEngine.Work first = fixture.start(streaming, true);
            ManualEngine.Work second = fixture.start(whole, false);
            CompletableFuture<Void> stop = stop(Duration.ofSeconds(20));
            ServerFixture.await("the drain", () -> notReady());
            assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", "{\"prompt\":\"late\"}")))
                    .contains(" 503 ", "retry-after: ", "connection: close");
            first.emit("stream");
            second.emit("w".repeat(50_000));
            assertThat(stop).isNotDone();
            fixture.engine.finish(first);
            fixture.engine.finish(second);

            assertThat(streaming.readAll())
                    .contains("\"text\":\"stream\"", "data: [DONE]")
                    .endsWith("0\r\n\r\n");
            assertThat(whole.readAll()).contains("w".repeat(50_000)).endsWith("}}");
            stop.get(10, TimeUnit.SECONDS);
        }
        assertThatThrownBy(fixture::connect).isInstanceOf(IOException.class);
        assertThat(fixture.engine.aborted()).isEmpty();
    }

    @Test
    void whatStillRunsAtTheDeadlineIsAbortedAndTold() throws Exception {
        try (RawClient client = fixture.connect()) {
            fixture.start(client, true).emit("begun");
            client.readUntil("\n\n");
            long start = System.nanoTime();
            CompletableFuture<Void> stop = stop(Duration.ofMillis(200));

            assertThat(client.readAll()).contains("\"finish_reason\":\"abort\"", "data: [DONE]");
            stop.get(10, TimeUnit.SECONDS);
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
        }
        assertThat(fixture.engine.aborted()).hasSize(1);
    }

    @Test
    void aCloseWithoutAnEndIsNotHeldUpByAClientThatDoesNotRead() throws Exception {
        try (RawClient client = new RawClient(fixture.server, 4096)) {
            ManualEngine.Work work = fixture.start(client, true);
            for (int i = 0; i < 90; i++) {
                work.emit("x".repeat(100_000));
            }
            long start = System.nanoTime();
            stop(Duration.ofMillis(200)).get(20, TimeUnit.SECONDS);

            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(8));
        }
    }

    @Test
    void aRequestWhoseBodyStillComesIsAnswered() throws Exception {
        String request = RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"max_tokens\":9}");
        try (RawClient client = fixture.connect()) {
            client.send(request.substring(0, request.length() - 4));
            Thread.sleep(100); // the head has been read by now
            CompletableFuture<Void> stop = stop(Duration.ofSeconds(20));
            ServerFixture.await("the drain", this::notReady);
            assertThat(stop).isNotDone();
            client.send(request.substring(request.length() - 4));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("x");
            fixture.engine.finish(work);

            assertThat(client.readAnswer()).contains(" 200 ", "\"text\":\"x\"");
            stop.get(10, TimeUnit.SECONDS);
        }
    }

    @Test
    void aBodyThatDoesNotComeBeforeTheDeadlineIsRefused() throws Exception {
        String request = RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"max_tokens\":9}");
        try (RawClient client = fixture.connect()) {
            client.send(request.substring(0, request.length() - 4));
            Thread.sleep(100); // the head has been read by now
            stop(Duration.ofMillis(200)).get(10, TimeUnit.SECONDS);

            assertThat(client.readAll()).contains(" 503 ", "shutting down", "connection: close");
        }
        assertThat(fixture.engine.live()).isZero();
    }

    @Test
    void aRequestThatIsBeingTokenisedIsAnswered() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch encoding = new CountDownLatch(1);
        HookedTokenizer tokenizer = new HookedTokenizer(text -> {
            encoding.countDown();
            try {
                release.await(20, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        try (ServerFixture slow = new ServerFixture(tokenizer, options -> options);
                RawClient client = slow.connect()) {
            client.send(RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"max_tokens\":9}"));
            assertThat(encoding.await(10, TimeUnit.SECONDS)).isTrue();
            slow.server.beginShutdown();
            assertThat(slow.server.drained()).isNotDone();
            CompletableFuture<Void> stop =
                    CompletableFuture.runAsync(() -> slow.server.shutdown(Duration.ofSeconds(20)));
            release.countDown();
            slow.engine.finish(slow.engine.next());

            assertThat(client.readAnswer()).contains(" 200 ");
            stop.get(10, TimeUnit.SECONDS);
        }
    }

    private CompletableFuture<Void> stop(Duration deadline) {
        return CompletableFuture.runAsync(() -> fixture.server.shutdown(deadline));
    }

    private boolean notReady() {
        return fixture.connectAndAnswer(RawClient.get("/ready")).contains(" 503 ");
    }
}
