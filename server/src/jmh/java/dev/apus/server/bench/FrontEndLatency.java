package dev.apus.server.bench;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/**
 * What the front end adds to each token with 1,000 streams at once: an engine that computes nothing makes steps at a pace, each of which
 * gives every stream one token, and the delay is from the beginning of the step until the client has read the token. Above what the front
 * end can do it sends several tokens in an event. The clients run on the same machine and take their part of it.
 */
public final class FrontEndLatency {
    private static final int STREAMS = 1000;
    private static final int[] STEPS_PER_SECOND = {20, 50, 100, 150, 200};
    /** Delays beyond are told as this: the front end cannot follow. */
    private static final long LONGEST = 60_000_000_000L;

    private FrontEndLatency() {}

    /** @param args a model's path for its tokenizer, seconds of a measurement, number of measurements */
    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length != 3) {
            System.err.println("usage: FrontEndLatency MODEL SECONDS REPEATS");
            System.exit(2);
        }
        int seconds = Integer.parseInt(args[1]);
        int repeats = Integer.parseInt(args[2]);
        try (LanguageModel model = LanguageModel.open(Path.of(args[0]), EngineOptions.defaults())) {
            System.out.printf("%d streams; delay from the step to the client, ms%n", STREAMS);
            System.out.printf(
                    "%9s %12s %12s %8s %8s %8s %8s %13s%n",
                    "steps/s", "offered/s", "tokens/s", "p50", "p90", "p99", "p99.9", "tokens/event");
            // The JIT has seen it all before the first row.
            measure(model.served(), STEPS_PER_SECOND[2], 3 * seconds, 0);
            for (int pace : STEPS_PER_SECOND) {
                measure(model.served(), pace, seconds, repeats);
            }
        }
    }

    private static void measure(ServedModel real, int pace, int seconds, int repeats)
            throws IOException, InterruptedException {
        int token = FrontEndBench.markedToken(real.tokenizer(), real.vocabSize());
        byte mark = (byte) FrontEndBench.mark(real.tokenizer().detokenizer(true).add(token));
        Histogram delays = new ConcurrentHistogram(LONGEST, 3);
        TokenFountain engine = TokenFountain.paced(STREAMS, token, pace);
        ServedModel model = new ServedModel(
                "stub",
                real.tokenizer(),
                real.chatTemplate(),
                real.templateVariables(),
                FrontEndBench.MAX_MODEL_LENGTH,
                real.vocabSize(),
                real.generationDefaults(),
                engine);
        HttpOptions options =
                HttpOptions.builder().port(0).maxConnections(STREAMS + 1).build();
        try (HttpServer server = HttpServer.start(model, options);
                SseReaders readers = new SseReaders(
                        server.port(),
                        STREAMS,
                        FrontEndBench.request(),
                        mark,
                        engine::read,
                        number -> delays.recordValue(Math.min(LONGEST, System.nanoTime() - engine.begun(number))))) {
            Thread.sleep(seconds * 1000L); // the JIT
            for (int i = 0; i < repeats; i++) {
                delays.reset();
                long tokens = readers.tokens();
                long events = readers.events();
                long from = System.nanoTime();
                Thread.sleep(seconds * 1000L);
                double passed = (System.nanoTime() - from) / 1e9;
                print(pace, delays.copy(), readers.tokens() - tokens, readers.events() - events, passed);
            }
        } finally {
            engine.close();
        }
    }

    private static void print(int pace, Histogram delays, long tokens, long events, double seconds) {
        System.out.printf(
                Locale.ROOT,
                "%9d %,12d %,12.0f %8.2f %8.2f %8.2f %8.2f %13.2f%n",
                pace,
                pace * STREAMS,
                tokens / seconds,
                delays.getValueAtPercentile(50) / 1e6,
                delays.getValueAtPercentile(90) / 1e6,
                delays.getValueAtPercentile(99) / 1e6,
                delays.getValueAtPercentile(99.9) / 1e6,
                (double) tokens / Math.max(1, events));
    }
}
