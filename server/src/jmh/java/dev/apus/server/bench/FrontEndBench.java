package dev.apus.server.bench;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * Streamed tokens per second and core of the front end alone: a real server, tokenizer and server-sent events over loopback, and an
 * engine that only emits tokens. The clients run on the same machine, so the rate that counts is tokens per CPU second of the
 * server's own threads: its event loop, and with it the engine's thread that hands the tokens over.
 *
 * <p>With a lead of 1 each token is an event and a write of its own, as of an engine slower than the front end; with more the server
 * falls behind the engine and sends several tokens in an event, as it does under load.
 */
public final class FrontEndBench {
    static final int MAX_MODEL_LENGTH = 1 << 30;
    private static final int[] STREAMS = {1, 16, 64};
    private static final int[] LEADS = {1, 8};
    /** All characters that the fixed part of an event may hold. */
    private static final String FIXED = "data: {}[],.-_:\"0123456789abcdefghijklmnoprstuvxyz";

    private final ServedModel real;
    private final int seconds;
    private final int repeats;
    private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();

    private FrontEndBench(ServedModel real, int seconds, int repeats) {
        this.real = real;
        this.seconds = seconds;
        this.repeats = repeats;
    }

    private record Sample(long nanos, long tokens, long events, long loopNanos, long engineNanos, long processNanos) {}

    /** One row of the table: rates per second, of the clock or of a CPU. */
    private record Rates(double wall, double loop, double server, double process, double tokensPerEvent) {}

    /** @param args a model's path for its tokenizer, seconds of a measurement, number of measurements */
    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length != 3) {
            System.err.println("usage: FrontEndBench MODEL SECONDS REPEATS");
            System.exit(2);
        }
        try (LanguageModel model = LanguageModel.open(Path.of(args[0]), EngineOptions.defaults())) {
            new FrontEndBench(model.served(), Integer.parseInt(args[1]), Integer.parseInt(args[2])).run();
        }
    }

    private void run() throws IOException, InterruptedException {
        System.out.println(
                "tokens per second: of the clock, per CPU second of the event loop, of the event loop and the");
        System.out.println("engine's handing over, of the whole process with its clients");
        System.out.printf(
                "%8s %5s %12s %12s %12s %12s %13s%n",
                "streams", "lead", "clock", "loop", "loop+engine", "process", "tokens/event");
        for (int lead : LEADS) {
            for (int streams : STREAMS) {
                Rates rates = measure(streams, lead);
                System.out.printf(
                        Locale.ROOT,
                        "%8d %5d %,12.0f %,12.0f %,12.0f %,12.0f %13.2f%n",
                        streams,
                        lead,
                        rates.wall,
                        rates.loop,
                        rates.server,
                        rates.process,
                        rates.tokensPerEvent);
            }
        }
    }

    private Rates measure(int streams, int lead) throws IOException, InterruptedException {
        int token = markedToken(real.tokenizer(), real.vocabSize());
        byte mark = (byte) mark(real.tokenizer().detokenizer(true).add(token));
        TokenFountain engine = new TokenFountain(streams, lead, token);
        ServedModel model = new ServedModel(
                "stub",
                real.tokenizer(),
                real.chatTemplate(),
                real.templateVariables(),
                MAX_MODEL_LENGTH,
                real.vocabSize(),
                real.generationDefaults(),
                engine);
        HttpOptions options = HttpOptions.builder().port(0).ioThreads(1).build();
        List<Rates> all = new ArrayList<>();
        try (HttpServer server = HttpServer.start(model, options);
                SseReaders readers = new SseReaders(server.port(), streams, request(), mark, engine::read)) {
            Thread.sleep(seconds * 1000L); // the JIT
            for (int i = 0; i < repeats; i++) {
                Sample before = sample(engine, readers);
                Thread.sleep(seconds * 1000L);
                all.add(rates(before, sample(engine, readers)));
            }
        } finally {
            engine.close();
        }
        all.sort(Comparator.comparingDouble(Rates::server));
        return all.get(all.size() / 2);
    }

    static String request() {
        String body = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true,\"ignore_eos\":true,"
                + "\"max_tokens\":1000000000}";
        return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + body.length() + "\r\n\r\n" + body;
    }

    private Sample sample(TokenFountain engine, SseReaders readers) {
        long loops = 0;
        for (ThreadInfo info : threads.getThreadInfo(threads.getAllThreadIds())) {
            if (info != null
                    && info.getThreadName().startsWith("apus-http-")
                    && !info.getThreadName().contains("worker")) {
                loops += Math.max(0, threads.getThreadCpuTime(info.getThreadId()));
            }
        }
        long process =
                ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean os
                        ? os.getProcessCpuTime()
                        : 0;
        return new Sample(
                System.nanoTime(),
                readers.tokens(),
                readers.events(),
                loops,
                threads.getThreadCpuTime(engine.thread().threadId()),
                process);
    }

    private static Rates rates(Sample from, Sample to) {
        double tokens = (to.tokens - from.tokens) * 1e9;
        long loop = to.loopNanos - from.loopNanos;
        return new Rates(
                tokens / (to.nanos - from.nanos),
                tokens / loop,
                tokens / (loop + to.engineNanos - from.engineNanos),
                tokens / (to.processNanos - from.processNanos),
                (double) (to.tokens - from.tokens) / Math.max(1, to.events - from.events));
    }

    /** A token of ordinary length whose text holds a character that shows it among an event's other bytes. */
    static int markedToken(Tokenizer tokenizer, int vocabSize) {
        for (int length = 4; length > 0; length--) {
            for (int id = 0; id < vocabSize; id++) {
                String text = tokenizer.detokenizer(true).add(id);
                if (text.length() == length && text.chars().allMatch(c -> c >= ' ' && c < 0x7f) && mark(text) > 0) {
                    return id;
                }
            }
        }
        throw new IllegalArgumentException("the tokenizer has no token that is told from the rest of an event");
    }

    static int mark(String text) {
        return text.chars()
                .filter(c -> FIXED.indexOf(c) < 0 && c != '\\' && text.indexOf(c) == text.lastIndexOf(c))
                .findFirst()
                .orElse(-1);
    }
}
