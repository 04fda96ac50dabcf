package dev.apus.server.bench;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineStats;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Clients that stream, go away in the middle, and send what they should not, for a while; then the server must hold nothing.
 *
 * <p>Every answer is checked: a good request gets 200 (or 429 under load), a bad one 400, 404 or 413, never a 5xx and never silence. At
 * the end no request runs or waits, all KV blocks are free, and the heap is as large as after the first tenth of the time.
 */
public final class SoakBench {
    private static final int SOCKET_TIMEOUT_MILLIS = 120_000;
    /** Garbage collections leave some noise: soft references, JIT profiles. */
    private static final long FLAT_HEAP_BYTES = 24L << 20;

    private static final Duration SETTLE = Duration.ofSeconds(10);

    private final Engine engine;
    private final InetSocketAddress address;
    private final int clients;
    private final Map<String, AtomicLong> counts = new java.util.concurrent.ConcurrentSkipListMap<>();
    private final ConcurrentLinkedQueue<String> faults = new ConcurrentLinkedQueue<>();

    public SoakBench(Engine engine, URI base, int clients) {
        this.engine = engine;
        this.address = new InetSocketAddress(base.getHost(), base.getPort());
        this.clients = clients;
    }

    /**
     * What a soak found.
     *
     * @param counts exchanges by kind and status
     * @param faults what went wrong; empty if all is well
     * @param heapEarly heap in use after the first tenth, in bytes
     * @param heapEnd at the end
     */
    public record Report(Map<String, Long> counts, List<String> faults, long heapEarly, long heapEnd) {
        public boolean passed() {
            return faults.isEmpty();
        }

        public String text() {
            StringBuilder text = new StringBuilder();
            counts.forEach((kind, count) -> text.append(String.format(Locale.ROOT, "%-32s %8d%n", kind, count)));
            text.append(String.format(
                    Locale.ROOT, "heap after a tenth, at the end: %d, %d MiB%n", heapEarly >> 20, heapEnd >> 20));
            faults.stream()
                    .limit(20)
                    .forEach(fault -> text.append("FAULT: ").append(fault).append('\n'));
            return text.append(passed() ? "passed: nothing leaked" : "failed: " + faults.size() + " faults")
                    .toString();
        }
    }

    /** Runs for {@code duration}, then waits for the server to settle. */
    public Report run(Duration duration) throws InterruptedException {
        long end = System.nanoTime() + duration.toNanos();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < clients; i++) {
            long seed = i;
            threads.add(Thread.ofVirtual().name("soak-" + i).start(() -> client(seed, end)));
        }
        Thread.sleep(duration.dividedBy(10));
        long heapEarly = heapInUse();
        for (Thread thread : threads) {
            thread.join();
        }
        checkSettled();
        long heapEnd = heapInUse();
        if (heapEnd > heapEarly + FLAT_HEAP_BYTES) {
            faults.add("the heap grew from " + (heapEarly >> 20) + " to " + (heapEnd >> 20) + " MiB");
        }
        Map<String, Long> totals = new TreeMap<>();
        counts.forEach((kind, count) -> totals.put(kind, count.get()));
        return new Report(totals, List.copyOf(faults), heapEarly, heapEnd);
    }

    private void checkSettled() throws InterruptedException {
        long end = System.nanoTime() + SETTLE.toNanos();
        EngineStats stats = engine.stats();
        while (System.nanoTime() < end
                && (stats.running() + stats.waiting() > 0 || stats.freeBlocks() < stats.totalBlocks())) {
            Thread.sleep(50);
            stats = engine.stats();
        }
        if (stats.running() + stats.waiting() > 0) {
            faults.add(stats.running() + " requests still run and " + stats.waiting() + " wait " + SETTLE.toSeconds()
                    + " s after the last client");
        }
        if (stats.freeBlocks() < stats.totalBlocks()) {
            faults.add((stats.totalBlocks() - stats.freeBlocks()) + " KV blocks are not free");
        }
        if (!stats.alive()) {
            faults.add("the engine thread has died");
        }
    }

    private static long heapInUse() {
        // Twice: the first collection may only clear references that the second one collects.
        System.gc();
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private void client(long seed, long end) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        while (System.nanoTime() < end) {
            Exchange exchange = Exchange.random(random);
            try {
                count(exchange.kind() + " -> " + perform(exchange, random));
            } catch (IOException e) {
                faults.add(exchange.kind() + ": " + e);
                return;
            }
        }
    }

    private void count(String kind) {
        counts.computeIfAbsent(kind, k -> new AtomicLong()).incrementAndGet();
    }

    /** Sends one request over a connection of its own and reads the answer, or a part of it. */
    private String perform(Exchange exchange, RandomGenerator random) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(address, SOCKET_TIMEOUT_MILLIS);
            socket.setSoTimeout(SOCKET_TIMEOUT_MILLIS);
            OutputStream out = socket.getOutputStream();
            out.write(exchange.request());
            out.flush();
            InputStream in = socket.getInputStream();
            if (exchange.leavesAfterBytes() >= 0) {
                in.readNBytes(exchange.leavesAfterBytes());
                socket.setSoLinger(random.nextBoolean(), 0); // half of them with a reset
                return "gone";
            }
            String answer = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            if (!answer.startsWith("HTTP/1.1 ") || answer.length() < 12) {
                throw new IOException("no HTTP answer: '" + answer.substring(0, Math.min(80, answer.length())) + "'");
            }
            int status = Integer.parseInt(answer.substring(9, 12));
            if (!exchange.allowed().contains(status)) {
                faults.add(exchange.kind() + " got " + answer.substring(0, Math.min(600, answer.length())));
            } else if (status == 200 && !answer.contains(exchange.mustContain())) {
                faults.add(exchange.kind() + ": the answer ends without " + exchange.mustContain() + ": ..."
                        + answer.substring(Math.max(0, answer.length() - 200)));
            }
            return String.valueOf(status);
        }
    }
}
