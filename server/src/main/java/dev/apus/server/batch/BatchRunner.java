package dev.apus.server.batch;

import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gives batches their threads: few at a time, and the next to the tenant that has fewest. Thread-safe. */
final class BatchRunner implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BatchRunner.class);
    /** Batches that run at the same time; they share the places in the engine. */
    private static final int MOST_ACTIVE = 8;
    /** Time to write the last answers. */
    private static final Duration LAST_WRITES = Duration.ofSeconds(5);

    private final Batches.Parts parts;
    private final Gate gate;
    private final ScheduledExecutorService timer;
    /** Batches that wait for a thread, by id, in their order. */
    private final Map<String, String> waiting = new LinkedHashMap<>();

    private final Map<String, Active> active = new HashMap<>();
    private boolean stopped;

    private record Active(String tenant, BatchRun run, Thread thread) {}

    BatchRunner(Batches.Parts parts) {
        this.parts = parts;
        gate = new Gate(parts.options().maxConcurrent(), parts.work());
        timer = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().name("apus-batches").daemon(true).factory());
    }

    /** Takes a batch that has not ended. */
    // The future of the timer would only tell of its end.
    @SuppressWarnings("FutureReturnValueIgnored")
    synchronized void offer(Batch batch) {
        if (stopped) {
            return;
        }
        waiting.put(batch.id(), batch.owner().tenant());
        fill();
        long left = Math.max(0, batch.expiresMillis() - System.currentTimeMillis());
        timer.schedule(() -> wake(batch.id()), left, TimeUnit.MILLISECONDS);
    }

    /** Something about a batch has changed, or its time is up: it need not wait for a thread to be ended. */
    synchronized void wake(String id) {
        Active running = active.get(id);
        if (running != null) {
            running.run.wake();
        } else if (waiting.containsKey(id) && !stopped) {
            start(id);
        }
    }

    private void fill() {
        while (active.size() < MOST_ACTIVE && !stopped) {
            Optional<Map.Entry<String, String>> next =
                    waiting.entrySet().stream().min(Comparator.comparingLong(entry -> activeOf(entry.getValue())));
            if (next.isEmpty()) {
                return;
            }
            start(next.get().getKey());
        }
    }

    private long activeOf(String tenant) {
        return active.values().stream()
                .filter(each -> each.tenant.equals(tenant))
                .count();
    }

    private void start(String id) {
        String tenant = String.valueOf(waiting.remove(id));
        BatchRun run = new BatchRun(id, parts, gate, () -> ended(id));
        Thread thread = Thread.ofPlatform().name("apus-" + id).daemon(true).unstarted(run);
        active.put(id, new Active(tenant, run, thread));
        thread.start();
    }

    private synchronized void ended(String id) {
        active.remove(id);
        fill();
    }

    /** Starts nothing more; what runs may end. */
    synchronized void drain() {
        stopped = true;
        active.values().forEach(each -> each.run.drain());
    }

    /** Drops what runs: it is run again at the next start. */
    synchronized void abandon() {
        stopped = true;
        active.values().forEach(each -> each.run.abandon());
    }

    @Override
    public void close() {
        abandon();
        timer.shutdownNow();
        Map<String, Active> last;
        synchronized (this) {
            last = Map.copyOf(active);
        }
        long deadline = System.nanoTime() + LAST_WRITES.toNanos();
        try {
            for (Active each : last.values()) {
                if (!each.thread.join(Duration.ofNanos(Math.max(1, deadline - System.nanoTime())))) {
                    LOG.warn("{} still writes", each.thread.getName());
                    each.thread.interrupt();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
