package dev.apus.server.tracing;

import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends spans in batches to the configured collector, over HTTP with protobuf. A thread of its own sends; who hands spans over never waits:
 * when the queue is full, as while the collector is away, they are dropped and counted. A batch that the collector could not take is
 * tried again, less and less often. Thread-safe.
 */
public final class OtlpSender implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OtlpSender.class);
    /** What the protocol says may be tried again. */
    private static final Set<Integer> RETRYABLE = Set.of(429, 502, 503, 504);

    private static final int MOST_TRIES = 5;
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LAST_WORDS = Duration.ofSeconds(5);

    private final TraceOptions options;
    private final String version;
    private final BlockingQueue<Span> queue;
    private final HttpClient client;
    private final Thread thread;
    private final CountDownLatch closing = new CountDownLatch(1);
    private final AtomicLong dropped = new AtomicLong();
    private final AtomicLong sent = new AtomicLong();
    private boolean failing;

    /**
     * Starts the thread; connects with the first batch.
     *
     * @param version of this program
     */
    public OtlpSender(TraceOptions options, String version) {
        this.options = options;
        this.version = version;
        queue = new ArrayBlockingQueue<>(options.maxQueueSize());
        client = HttpClient.newBuilder().connectTimeout(options.timeout()).build();
        thread = Thread.ofPlatform().name("apus-traces").daemon(true).start(this::run);
    }

    /** Hands over the spans of a request; never blocks. */
    public void send(List<Span> spans) {
        if (queue.remainingCapacity() < spans.size()) {
            dropped.addAndGet(spans.size());
            return;
        }
        for (Span span : spans) {
            if (!queue.offer(span)) {
                dropped.incrementAndGet();
            }
        }
    }

    /** Spans that were lost. */
    public long dropped() {
        return dropped.get();
    }

    /** Spans that the collector has taken. */
    public long sent() {
        return sent.get();
    }

    private void run() {
        List<Span> batch = new ArrayList<>(options.maxBatchSize());
        try {
            while (!isClosing() || !queue.isEmpty()) {
                collect(batch);
                if (!batch.isEmpty()) {
                    export(batch);
                    batch.clear();
                }
            }
        } catch (InterruptedException e) {
            // The time for the last words is over.
            dropped.addAndGet(batch.size() + queue.size());
        }
    }

    private boolean isClosing() {
        return closing.getCount() == 0;
    }

    /** Takes what fits a batch, and waits for it as long as spans may wait for others. */
    private void collect(List<Span> batch) throws InterruptedException {
        long end = System.nanoTime() + options.scheduleDelay().toNanos();
        while (batch.size() < options.maxBatchSize()) {
            queue.drainTo(batch, options.maxBatchSize() - batch.size());
            long left = end - System.nanoTime();
            if (left <= 0 || isClosing() || batch.size() == options.maxBatchSize()) {
                return;
            }
            // Looked at now and then: a queue cannot be waited for together with the close.
            closing.await(Math.min(left, TimeUnit.MILLISECONDS.toNanos(100)), TimeUnit.NANOSECONDS);
        }
    }

    private void export(List<Span> batch) throws InterruptedException {
        HttpRequest request = request(batch);
        Duration pause = FIRST_PAUSE;
        String problem = "";
        for (int i = 0; i < MOST_TRIES; i++) {
            if (i > 0 && pause(pause)) {
                break;
            }
            pause = pause.multipliedBy(2);
            try {
                HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
                if (answer.statusCode() / 100 == 2) {
                    sent.addAndGet(batch.size());
                    tellRecovery();
                    return;
                }
                problem = "it answers " + answer.statusCode();
                if (!RETRYABLE.contains(answer.statusCode())) {
                    break;
                }
                pause = retryAfter(answer, pause);
            } catch (IOException e) {
                problem = e.toString();
            }
            tellFailure(problem);
        }
        tellFailure(problem);
        dropped.addAndGet(batch.size());
    }

    private HttpRequest request(List<Span> batch) {
        byte[] body = OtlpMessage.of(batch, options.resource(), "dev.apus.server", version);
        HttpRequest.Builder request = HttpRequest.newBuilder(options.endpoint())
                .timeout(options.timeout())
                .header("content-type", "application/x-protobuf")
                .header("user-agent", "apus/" + version)
                .POST(HttpRequest.BodyPublishers.ofByteArray(body));
        options.headers().forEach(request::setHeader);
        return request.build();
    }

    /** Waits before the next try; true if there is none, because the server is closed and the collector away. */
    private boolean pause(Duration time) throws InterruptedException {
        return isClosing() || closing.await(time.toNanos(), TimeUnit.NANOSECONDS);
    }

    private static Duration retryAfter(HttpResponse<String> answer, Duration usual) {
        String seconds = answer.headers().firstValue("retry-after").orElse("");
        return seconds.matches("[0-9]{1,3}") ? Duration.ofSeconds(Long.parseLong(seconds)) : usual;
    }

    /** Once until it works again. */
    private void tellFailure(String problem) {
        if (!failing) {
            failing = true;
            LOG.warn(
                    "the collector of traces at {} does not take them: {}; they are dropped until it does",
                    options.endpoint(),
                    problem);
        }
    }

    private void tellRecovery() {
        if (failing) {
            failing = false;
            LOG.info("the collector of traces takes them again; {} spans were lost", dropped.get());
        }
    }

    /** Sends what waits, for a few seconds at most, and ends the thread. */
    @Override
    public void close() {
        closing.countDown();
        try {
            if (!thread.join(LAST_WORDS)) {
                thread.interrupt();
                thread.join(LAST_WORDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        client.shutdownNow();
    }
}
