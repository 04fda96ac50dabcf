package dev.apus.server.cli;

import java.io.IOException;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Waits until a server is stopped; when its engine ends by a fault before, has the process replaced by a fresh one, if it may be. */
final class EngineWatch {
    private static final Logger LOG = LoggerFactory.getLogger(EngineWatch.class);
    private static final long POLL_MILLIS = 100;

    private final BooleanSupplier alive;
    private final Map<String, String> environment;
    private final InstantSource clock;
    private final Exec exec;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private volatile boolean stopping;

    /** Replaces the process: {@link Restart#now}. */
    interface Exec {
        /** Returns never, unless in a test. */
        void now(Map<String, String> variables) throws IOException;
    }

    /**
     * @param alive whether the engine runs, which it also ceases to do after {@link #stopping}
     * @param environment of this process
     */
    EngineWatch(BooleanSupplier alive, Map<String, String> environment, InstantSource clock, Exec exec) {
        this.alive = alive;
        this.environment = environment;
        this.clock = clock;
        this.exec = exec;
    }

    /** The server is being stopped: from here on the engine's end is no fault. */
    void stopping() {
        stopping = true;
    }

    /** The server has stopped: {@link #await} returns. */
    void stopped() {
        stopped.countDown();
    }

    /**
     * Returns when the server has stopped.
     *
     * @param conclude before the process is replaced: those whose requests have failed are told, in a few seconds, and what is kept of
     *     them is written. The server must go on answering probes, since the replacement may fail
     * @param kept variables for the fresh process
     */
    void await(Runnable conclude, Supplier<Map<String, String>> kept) throws InterruptedException {
        while (alive.getAsBoolean()) {
            if (stopped.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                return;
            }
        }
        if (!stopping) {
            restart(conclude, kept);
        }
        stopped.await();
    }

    private void restart(Runnable conclude, Supplier<Map<String, String>> kept) {
        String obstacle = Restart.obstacle(environment, clock.instant());
        if (obstacle != null) {
            LOG.error("the engine has ended by a fault, /health tells it; the process is not restarted: {}", obstacle);
            return;
        }
        LOG.error("the engine has ended by a fault: its requests are told, then the process restarts itself");
        try {
            conclude.run();
        } catch (RuntimeException e) {
            LOG.error("not all of it could be told and kept", e);
        }
        if (stopping) {
            return;
        }
        try {
            Map<String, String> variables = new LinkedHashMap<>(kept.get());
            variables.put(Restart.AT, Long.toString(clock.instant().getEpochSecond()));
            exec.now(variables);
        } catch (IOException | RuntimeException | LinkageError e) {
            LOG.error("the process could not restart itself; the engine stays ended, /health tells it", e);
        }
    }
}
