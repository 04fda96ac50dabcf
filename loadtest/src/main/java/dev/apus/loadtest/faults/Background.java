package dev.apus.loadtest.faults;

import dev.apus.loadtest.Target;
import dev.apus.loadtest.measure.Series;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** What happens beside the load that is measured: clients that behave badly, keys and certificates that change, a look at the metrics. */
public final class Background {
    /** The longest that one of the clients may take, and a little. */
    private static final Duration LAST_ATTEMPTS = Duration.ofSeconds(150);

    private static final int MOST_PAUSE_MILLIS = 200;

    private final Target target;
    private final FaultPlan plan;
    private final Keys keys;
    private final Outcomes outcomes = new Outcomes();
    private final AtomicBoolean ending = new AtomicBoolean();
    private final List<Thread> clients = new ArrayList<>();
    private final List<Thread> helpers = new ArrayList<>();
    private final @Nullable Watch watch;
    private @Nullable Http2Faults http2;
    private @Nullable GrpcFaults grpc;

    public Background(Target target, FaultPlan plan) {
        this.target = target;
        this.plan = plan;
        keys = new Keys(target.keys());
        watch = plan.clients() == 0
                ? null
                : new Watch(target, () -> plan.metricsKey() == null ? keys.of(0) : plan.metricsKey(), plan.serverPid());
    }

    /**
     * What was seen.
     *
     * @param findings what is wrong
     * @param notes what else is to be told
     */
    public record Result(List<String> findings, List<String> notes) {}

    /** The key of a tenant at present, or null if the server asks for none. */
    public @Nullable String keyOf(int tenant) {
        return keys.of(tenant);
    }

    /** Starts all of it. */
    public void start() {
        if (watch == null) {
            return;
        }
        try {
            watch.begin();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted before the start", e);
        }
        helpers.add(Thread.ofVirtual().name("metrics").start(watch));
        if (plan.keysFile() != null || plan.certFile() != null) {
            helpers.add(Thread.ofVirtual().name("rotation").start(new Rotation(target, plan, keys, outcomes)));
        }
        Map<FaultKind, Attempt> attempts = attempts();
        List<FaultKind> kinds = plan.kinds().stream()
                .map(FaultKind::of)
                .filter(attempts::containsKey)
                .toList();
        for (int i = 0; i < plan.clients(); i++) {
            SplittableRandom random = new SplittableRandom(i);
            clients.add(Thread.ofVirtual().name("fault-client-" + i).start(() -> client(kinds, attempts, random)));
        }
    }

    private Map<FaultKind, Attempt> attempts() {
        HttpFaults http = new HttpFaults(target, keys, outcomes);
        Map<FaultKind, Attempt> all = new EnumMap<>(Map.of(
                FaultKind.KILLED, http::killed,
                FaultKind.SLOW_READER, http::slowReader,
                FaultKind.DEAF, http::deaf,
                FaultKind.HALF_CLOSED, http::halfClosed,
                FaultKind.LEAVES_EARLY, http::leavesEarly,
                FaultKind.OVERSIZED, http::oversized,
                FaultKind.MALFORMED, http::malformed,
                FaultKind.WHOLE, http::whole));
        if (keys.of(0) != null) {
            all.put(FaultKind.WRONG_KEY, http::wrongKey);
        }
        if (plan.kinds().contains(FaultKind.HTTP2_RESET.label())) {
            Http2Faults second = new Http2Faults(target, keys, outcomes);
            http2 = second;
            all.put(FaultKind.HTTP2_RESET, second::reset);
        }
        if (plan.kinds().stream().anyMatch(kind -> kind.startsWith("grpc-"))) {
            GrpcFaults calls = new GrpcFaults(target, keys, outcomes);
            grpc = calls;
            all.put(FaultKind.GRPC_CANCEL, calls::cancelled);
            all.put(FaultKind.GRPC_DEADLINE, calls::inAHurry);
            all.put(FaultKind.GRPC_WHOLE, calls::whole);
        }
        return all;
    }

    private void client(List<FaultKind> kinds, Map<FaultKind, Attempt> attempts, RandomGenerator random) {
        while (!ending.get() && !kinds.isEmpty()) {
            FaultKind kind = kinds.get(random.nextInt(kinds.size()));
            try {
                Attempt attempt = attempts.get(kind);
                if (attempt != null) {
                    outcomes.expected(kind.label(), attempt.run(random));
                }
                Thread.sleep(random.nextInt(MOST_PAUSE_MILLIS));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (Exception e) {
                outcomes.unexpected(kind.label(), e.toString());
            }
        }
    }

    /**
     * Ends all of it, waits for the server to settle, and judges.
     *
     * @param served what the measured clients saw
     */
    public Result finish(Map<String, Series.Snapshot> served) {
        if (watch == null) {
            return new Result(List.of(), List.of());
        }
        List<String> findings = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        ending.set(true);
        try {
            long end = System.nanoTime() + LAST_ATTEMPTS.toNanos();
            for (Thread client : clients) {
                if (!client.join(Duration.ofNanos(Math.max(1, end - System.nanoTime())))) {
                    findings.add(client.getName() + " has not ended after " + LAST_ATTEMPTS.toSeconds() + " s");
                }
            }
            for (Thread helper : helpers) {
                helper.interrupt();
                helper.join();
            }
            Result metrics = watch.finish(served, outcomes);
            findings.addAll(metrics.findings());
            notes.addAll(metrics.notes());
        } catch (IOException e) {
            findings.add("the server's metrics cannot be read in the end: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            findings.add("interrupted before the end");
        } finally {
            close();
        }
        findings.addAll(outcomes.findings());
        List<String> all = new ArrayList<>(outcomes.notes());
        all.addAll(notes);
        return new Result(findings, all);
    }

    private void close() {
        if (http2 != null) {
            http2.close();
        }
        if (grpc != null) {
            grpc.close();
        }
    }
}
