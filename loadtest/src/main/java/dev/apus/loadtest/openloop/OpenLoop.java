package dev.apus.loadtest.openloop;

import dev.apus.loadtest.Load;
import dev.apus.loadtest.Prompts;
import dev.apus.loadtest.Target;
import dev.apus.loadtest.measure.Series;
import java.io.IOException;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Requests that arrive as a Poisson process, whether or not those before them are answered: a server that falls behind is not spared, as it is by
 * clients that wait (coordinated omission). Times count from when a request was due, in nanoseconds.
 */
public final class OpenLoop {
    /** A deadline lies so far off; the last answers are waited for a little longer. */
    private static final Duration GRACE = Duration.ofSeconds(15);

    private final Target target;
    private final Load load;

    public OpenLoop(Target target, Load load) {
        this.target = target;
        this.load = load;
        if (!(load.rate() > 0)) {
            throw new IllegalArgumentException("--rate is " + load.rate() + ", must be above 0: requests a second");
        }
    }

    /**
     * Runs for the load's time and waits for the last answers.
     *
     * @param seed of arrivals and prompts: the same for all that are compared
     */
    public void run(Protocol protocol, long seed, Series series) throws InterruptedException {
        SplittableRandom random = new SplittableRandom(seed);
        try (StreamClient client = protocol.client(target);
                ExecutorService threads = Executors.newThreadPerTaskExecutor(
                        Thread.ofVirtual().name("request-", 0).factory())) {
            long began = System.nanoTime();
            double at = 0;
            while (true) {
                at += random.nextExponential() / load.rate();
                if (at >= load.seconds()) {
                    break;
                }
                long due = began + (long) (at * 1e9);
                String prompt = Prompts.words(load.promptTokens(), random);
                sleepUntil(due);
                threads.execute(() -> ask(client, prompt, due, series));
            }
            threads.shutdown();
            if (!threads.awaitTermination(load.timeoutSeconds() + GRACE.toSeconds(), TimeUnit.SECONDS)) {
                series.failed("no end after the deadline");
                threads.shutdownNow();
            }
        }
    }

    private static void sleepUntil(long due) throws InterruptedException {
        long left = due - System.nanoTime();
        if (left > 0) {
            Thread.sleep(Duration.ofNanos(left));
        }
    }

    private void ask(StreamClient client, String prompt, long due, Series series) {
        Listener listener = new Listener(series);
        try {
            client.stream(prompt, load.maxTokens(), load.timeoutSeconds() * 1000L, listener);
            long end = System.nanoTime();
            series.completed(due, listener.first == 0 ? end : listener.first, end, listener.prompt, listener.output);
        } catch (StreamClient.BusyException e) {
            series.refused(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            series.failed(e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Of one stream; the client calls it on one thread at a time, and is done with it when the stream has ended. */
    private static final class Listener implements StreamListener {
        private final Series series;
        private volatile long first;
        private volatile long last;
        private volatile long prompt;
        private volatile long output;

        Listener(Series series) {
            this.series = series;
        }

        @Override
        public void piece() {
            long now = System.nanoTime();
            if (first == 0) {
                first = now;
            } else {
                series.gap(now - last);
            }
            last = now;
        }

        @Override
        public void usage(long promptTokens, long outputTokens) {
            prompt = promptTokens;
            output = outputTokens;
        }
    }
}
