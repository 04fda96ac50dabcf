package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What a server does when its engine ends. */
@Timeout(30)
@EnabledOnOs(OS.LINUX)
class EngineWatchTest {
    private static final long NOW = 1_800_000_000;

    private final List<Object> done = new CopyOnWriteArrayList<>();
    private final CompletableFuture<Void> tried = new CompletableFuture<>();
    private volatile boolean alive = true;

    /** A watch whose replacement of the process fails, as one that succeeds never returns. */
    private EngineWatch watch(Map<String, String> environment) {
        return new EngineWatch(() -> alive, environment, InstantSource.fixed(Instant.ofEpochSecond(NOW)), variables -> {
            done.add(variables);
            tried.complete(null);
            throw new IOException("no");
        });
    }

    private CompletableFuture<Void> await(EngineWatch watch, Runnable conclude) {
        return CompletableFuture.runAsync(() -> {
            try {
                watch.await(conclude, () -> Map.of(Restart.PORT, "4711"));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void afterAFaultClientsAreToldAndTheProcessIsReplacedOnce() throws Exception {
        EngineWatch watch = watch(Map.of(Restart.AT, Long.toString(NOW - 700)));
        CompletableFuture<Void> end = await(watch, () -> done.add("told"));
        alive = false;
        tried.get(10, TimeUnit.SECONDS);
        assertThat(done).containsExactly("told", Map.of(Restart.AT, Long.toString(NOW), Restart.PORT, "4711"));
        // It failed: the server goes on telling that its engine has ended, until it is stopped.
        Thread.sleep(300);
        assertThat(end).isNotDone();
        watch.stopping();
        watch.stopped();
        end.get(10, TimeUnit.SECONDS);
        assertThat(done).hasSize(2);
    }

    @Test
    void whatCannotBeToldDoesNotKeepTheProcess() throws Exception {
        EngineWatch watch = watch(Map.of());
        CompletableFuture<Void> end = await(watch, () -> {
            throw new IllegalStateException("closed");
        });
        alive = false;
        tried.get(10, TimeUnit.SECONDS);
        assertThat(done).hasSize(1);
        watch.stopped();
        end.get(10, TimeUnit.SECONDS);
    }

    @Test
    void aSecondFaultSoonAfterEndsTheEngineForGood() throws Exception {
        EngineWatch watch = watch(Map.of(Restart.AT, Long.toString(NOW - 60)));
        alive = false;
        CompletableFuture<Void> end = await(watch, () -> done.add("told"));
        Thread.sleep(300);
        assertThat(end).isNotDone();
        assertThat(done).isEmpty();
        watch.stopped();
        end.get(10, TimeUnit.SECONDS);
    }

    @Test
    void aStopIsNoFault() throws Exception {
        EngineWatch watch = watch(Map.of());
        CompletableFuture<Void> end = await(watch, () -> done.add("told"));
        watch.stopping();
        alive = false;
        Thread.sleep(300);
        assertThat(end).isNotDone();
        watch.stopped();
        end.get(10, TimeUnit.SECONDS);
        assertThat(done).isEmpty();
    }

    @Test
    void aStopMeanwhileWins() throws Exception {
        EngineWatch watch = watch(Map.of());
        alive = false;
        CompletableFuture<Void> end = await(watch, () -> {
            done.add("told");
            watch.stopping();
        });
        Thread.sleep(300);
        watch.stopped();
        end.get(10, TimeUnit.SECONDS);
        assertThat(done).containsExactly("told");
    }
}
