package dev.apus.loadtest.measure;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/** Streams of one kind: a tenant's, a stage's of a ramp, those with long prompts. Thread-safe; times in nanoseconds. */
public final class Series {
    /** An hour, in microseconds: what takes longer counts as an hour. */
    private static final long MOST = TimeUnit.HOURS.toMicros(1);

    private static final int DIGITS = 3;

    private final Histogram firstToken = new ConcurrentHistogram(MOST, DIGITS);
    private final Histogram gaps = new ConcurrentHistogram(MOST, DIGITS);
    private final Histogram total = new ConcurrentHistogram(MOST, DIGITS);
    private final AtomicLong completed = new AtomicLong();
    private final AtomicLong promptTokens = new AtomicLong();
    private final AtomicLong outputTokens = new AtomicLong();
    private final AtomicLong firstStart = new AtomicLong(Long.MAX_VALUE);
    private final AtomicLong lastEnd = new AtomicLong(Long.MIN_VALUE);
    private final Map<String, AtomicLong> refused = new ConcurrentSkipListMap<>();
    private final Map<String, AtomicLong> failed = new ConcurrentSkipListMap<>();

    /**
     * A whole answer has come.
     *
     * @param start by {@link System#nanoTime}, as {@code end}
     * @param first when the first token came
     */
    public void completed(long start, long first, long end, long prompt, long output) {
        record(firstToken, first - start);
        record(total, end - start);
        completed.incrementAndGet();
        promptTokens.addAndGet(prompt);
        outputTokens.addAndGet(output);
        firstStart.accumulateAndGet(start, Math::min);
        lastEnd.accumulateAndGet(end, Math::max);
    }

    /** Time from a token to the next. */
    public void gap(long nanos) {
        record(gaps, nanos);
    }

    /** The server said that it is busy (429, 503). */
    public void refused(String reason) {
        refused.computeIfAbsent(reason, key -> new AtomicLong()).incrementAndGet();
    }

    /** No whole answer has come. */
    public void failed(String reason) {
        failed.computeIfAbsent(reason, key -> new AtomicLong()).incrementAndGet();
    }

    private static void record(Histogram histogram, long nanos) {
        histogram.recordValue(Math.clamp(nanos / 1000, 0, MOST));
    }

    /** What has come until now. */
    public Snapshot snapshot() {
        double seconds = completed.get() == 0 ? 0 : (lastEnd.get() - firstStart.get()) * 1e-9;
        return new Snapshot(
                completed.get(),
                counts(refused),
                counts(failed),
                promptTokens.get(),
                outputTokens.get(),
                seconds,
                firstToken.copy(),
                gaps.copy(),
                total.copy());
    }

    private static Map<String, Long> counts(Map<String, AtomicLong> from) {
        Map<String, Long> counts = new TreeMap<>();
        from.forEach((reason, count) -> counts.put(reason, count.get()));
        return counts;
    }

    /**
     * A series at one time; histograms are of microseconds.
     *
     * @param seconds from the first request's start to the last answer's end
     */
    public record Snapshot(
            long completed,
            Map<String, Long> refused,
            Map<String, Long> failed,
            long promptTokens,
            long outputTokens,
            double seconds,
            Histogram firstToken,
            Histogram gaps,
            Histogram total) {
        /** Requests refused because the server was busy. */
        public long refusals() {
            return sum(refused);
        }

        /** Requests that got no whole answer. */
        public long failures() {
            return sum(failed);
        }

        private static long sum(Map<String, Long> counts) {
            return counts.values().stream().mapToLong(Long::longValue).sum();
        }

        Histogram of(Limit.Latency latency) {
            return switch (latency) {
                case TTFT -> firstToken;
                case ITL -> gaps;
                case E2E -> total;
            };
        }

        /** Milliseconds; NaN if nothing was measured. */
        public double millis(Limit.Latency latency, double percentile) {
            Histogram histogram = of(latency);
            return histogram.getTotalCount() == 0 ? Double.NaN : histogram.getValueAtPercentile(percentile) / 1000.0;
        }

        /** Output tokens a second, while there were requests. */
        public double tokensPerSecond() {
            return seconds > 0 ? outputTokens / seconds : 0;
        }
    }
}
