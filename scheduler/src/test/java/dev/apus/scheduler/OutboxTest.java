package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The delivering thread outlives whatever listeners throw. */
@Timeout(20)
class OutboxTest {
    private static EngineEvent tokens(String id) {
        return new EngineEvent.Tokens(id, new int[] {1}, null);
    }

    @Test
    void anErrorInAListenerAbortsItsRequestAlone() {
        List<String> faults = new CopyOnWriteArrayList<>();
        List<EngineEvent> seen = new CopyOnWriteArrayList<>();
        Outbox outbox = new Outbox(faults::add, () -> faults.add("the engine"));
        CompletableFuture<Void> delivered = new CompletableFuture<>();
        outbox.start();
        outbox.post(
                event -> {
                    throw new StackOverflowError("of a listener");
                },
                tokens("bad"));
        outbox.post(seen::add, tokens("good"));
        outbox.post(delivered);
        outbox.flush();
        delivered.orTimeout(10, TimeUnit.SECONDS).join();
        outbox.end();
        outbox.join();
        assertThat(faults).containsExactly("bad");
        assertThat(seen).extracting(EngineEvent::requestId).containsExactly("good");
    }

    @Test
    void closesTheEngineIfAbortingFailsTooAndStillDelivers() {
        CompletableFuture<Void> closed = new CompletableFuture<>();
        List<EngineEvent> seen = new CopyOnWriteArrayList<>();
        Outbox outbox = new Outbox(
                id -> {
                    throw new OutOfMemoryError("of the test");
                },
                () -> closed.complete(null));
        outbox.start();
        outbox.post(
                event -> {
                    throw new IllegalStateException("of a listener");
                },
                tokens("bad"));
        outbox.flush();
        closed.orTimeout(10, TimeUnit.SECONDS).join();
        outbox.post(seen::add, tokens("last"));
        outbox.end();
        outbox.join();
        assertThat(seen).hasSize(1);
    }
}
