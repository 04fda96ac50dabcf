package dev.apus.server.cli;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.ServedModel;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has the engine answer itself while nobody asks: the kernels run in the JVM's interpreter until its compiler has them, and a first
 * request would wait for that. Ends by itself, at the latest after {@link #LIMIT}, and as soon as another request is there.
 */
final class WarmUp implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WarmUp.class);
    private static final String ID = "apus-warm-up";
    /** On two busy cores the compiler is through after some 15 seconds. */
    private static final Duration LIMIT = Duration.ofSeconds(30);
    /** The first prompt: a step that runs in the interpreter keeps a request waiting that comes meanwhile, so it must be short. */
    private static final int FIRST_PROMPT = 4;
    /** Each prompt is twice as long as the one before, up to 128 tokens: a usual chat. */
    private static final int MAX_DOUBLINGS = 5;

    /** Steps of a single sequence. */
    private static final int ANSWER = 16;
    /** A round that takes at least this share of the one before it found nothing more to compile. */
    private static final double STEADY = 0.9;
    /** Behind everybody. */
    private static final int PRIORITY = Integer.MAX_VALUE;

    private static final long POLL_MILLIS = 20;

    private final ServedModel model;
    private final Thread thread;
    private volatile boolean closed;

    private WarmUp(ServedModel model) {
        this.model = model;
        thread = Thread.ofPlatform().name(ID).daemon(true).unstarted(this::run);
    }

    /** Begins on a thread of its own. */
    static WarmUp start(ServedModel model) {
        WarmUp warmUp = new WarmUp(model);
        warmUp.thread.start();
        return warmUp;
    }

    /** Waits until it has ended, by itself or since it was closed. */
    void await() throws InterruptedException {
        thread.join();
    }

    private void run() {
        long start = System.nanoTime();
        long last = Long.MAX_VALUE;
        try {
            for (int round = 0; System.nanoTime() - start < LIMIT.toNanos(); round++) {
                long began = System.nanoTime();
                if (!answer(round)) {
                    return;
                }
                long took = System.nanoTime() - began;
                boolean grown = round >= MAX_DOUBLINGS;
                if (grown && took > last * STEADY) {
                    break;
                }
                last = grown ? took : Long.MAX_VALUE;
            }
            LOG.debug("warm after {} ms", (System.nanoTime() - start) / 1_000_000);
        } catch (InterruptedException e) {
            // Closed: nobody waits for the rest.
            model.engine().abort(ID);
        } catch (QueueFullException | IllegalStateException e) {
            LOG.debug("no warm-up: {}", e.getMessage());
        }
    }

    /** One request of other tokens than the rounds before, so that nothing is found in the prefix cache; whether it was let to its end. */
    private boolean answer(int round) throws InterruptedException {
        Engine engine = model.engine();
        int length = Math.clamp(model.maxModelLength() - ANSWER, 1, FIRST_PROMPT << Math.min(round, MAX_DOUBLINGS));
        int[] prompt = new int[length];
        Arrays.setAll(prompt, i -> (i * 31 + round * 7 + 1) % model.vocabSize());
        SamplingParams params = SamplingParams.greedy(Math.min(ANSWER, Math.max(1, model.maxModelLength() - length)));
        CountDownLatch ended = new CountDownLatch(1);
        engine.submit(new Request(ID, prompt, params, PRIORITY, ID, System.nanoTime()), event -> {
            if (!(event instanceof EngineEvent.Tokens)) {
                ended.countDown();
            }
        });
        while (!ended.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
            if (closed || engine.stats().running() + engine.stats().waiting() > 1) {
                engine.abort(ID);
                return false;
            }
        }
        return !closed;
    }

    /** Breaks it off; returns when its thread has ended. */
    @Override
    public void close() {
        closed = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
