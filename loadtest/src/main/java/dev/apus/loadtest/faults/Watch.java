package dev.apus.loadtest.faults;

import dev.apus.loadtest.ApiClient;
import dev.apus.loadtest.Target;
import dev.apus.loadtest.measure.Numbers;
import dev.apus.loadtest.measure.Series;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Looks at a server's metrics while it is loaded, and in the end holds them against what clients saw. The names are vLLM's; what a server does
 * not have is not asked.
 */
final class Watch implements Runnable {
    private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(10);

    /** Aborted requests leave within a step; a busy machine needs longer. */
    private static final Duration SETTLE = Duration.ofSeconds(30);

    /** Lines that a report has of memory over time. */
    private static final int LINES = 12;

    private static final String SUCCESS = "vllm:request_success_total";
    private static final String RUNNING = "vllm:num_requests_running";
    private static final String WAITING = "vllm:num_requests_waiting";
    private static final String KV = "vllm:kv_cache_usage_perc";
    private static final String GENERATED = "vllm:generation_tokens_total";
    private static final String RESIDENT = "process_resident_memory_bytes";

    private final ApiClient client;
    private final Supplier<@Nullable String> key;
    private final long serverPid;
    private final long began = System.nanoTime();
    private final List<Memory> memory = new CopyOnWriteArrayList<>();
    private @Nullable Metrics first;

    /** Bytes; NaN where they are not known. */
    private record Memory(long second, double heap, double resident) {}

    /** @param key asked for at each look */
    Watch(Target target, Supplier<@Nullable String> key, long serverPid) {
        this.client = new ApiClient(target);
        this.key = key;
        this.serverPid = serverPid;
    }

    /** The look before all others. */
    void begin() throws IOException, InterruptedException {
        first = look();
    }

    /** Until it is interrupted. */
    @Override
    public void run() {
        try {
            while (true) {
                Thread.sleep(BETWEEN_LOOKS);
                try {
                    look();
                } catch (IOException e) {
                    // The last look, which must succeed, tells of a server that has gone.
                    memory.add(new Memory((System.nanoTime() - began) / 1_000_000_000, Double.NaN, Double.NaN));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the end of the run
        }
    }

    private Metrics look() throws IOException, InterruptedException {
        HttpResponse<String> response = client.get("/metrics", key.get());
        if (response.statusCode() != 200) {
            throw new IOException(
                    "/metrics answers " + response.statusCode() + "; does the key have the role monitor?");
        }
        Metrics metrics = Metrics.parse(response.body());
        Double heap = metrics.sum("jvm_memory_used_bytes", "area=\"heap\"");
        Double resident = metrics.sum(RESIDENT, "");
        memory.add(new Memory(
                (System.nanoTime() - began) / 1_000_000_000,
                heap == null ? Double.NaN : heap,
                resident == null ? residentOf(serverPid) : resident));
        return metrics;
    }

    private static double residentOf(long pid) throws IOException {
        Path status = Path.of("/proc/" + pid + "/status");
        if (pid > 0 && Files.isReadable(status)) {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith("VmRSS:")) {
                    return 1024 * Double.parseDouble(line.replaceAll("[^0-9]", ""));
                }
            }
        }
        return Double.NaN;
    }

    /**
     * Waits until nothing runs, and judges.
     *
     * @param served what measured clients saw
     * @param outcomes what others saw
     */
    Background.Result finish(Map<String, Series.Snapshot> served, Outcomes outcomes)
            throws IOException, InterruptedException {
        List<String> findings = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        Metrics last = settled();
        if (last.sum(RUNNING, "") == null) {
            notes.add("the server has no metric " + RUNNING + ": what it counted is not checked");
        } else {
            zero(last, RUNNING, findings);
            zero(last, WAITING, findings);
            zero(last, KV, findings);
            compare(last, served, outcomes, findings, notes);
        }
        notes.addAll(memoryLines());
        client.close();
        return new Background.Result(findings, notes);
    }

    private Metrics settled() throws IOException, InterruptedException {
        long end = System.nanoTime() + SETTLE.toNanos();
        while (true) {
            Metrics now = look();
            double left = now.count(RUNNING, "") + now.count(WAITING, "") + now.count(KV, "");
            if (left == 0 || System.nanoTime() > end) {
                return now;
            }
            Thread.sleep(200);
        }
    }

    private static void zero(Metrics last, String name, List<String> findings) {
        double left = last.count(name, "");
        if (left != 0) {
            findings.add(name + " is " + left + " " + SETTLE.toSeconds() + " s after the last client");
        }
    }

    private void compare(
            Metrics last,
            Map<String, Series.Snapshot> served,
            Outcomes outcomes,
            List<String> findings,
            List<String> notes) {
        long answers = outcomes.whole();
        long tokens = 0;
        long failed = 0;
        for (Series.Snapshot series : served.values()) {
            answers += series.completed();
            failed += series.failures();
            tokens += series.outputTokens();
        }
        double finished = risen(last, SUCCESS, "=\"stop\"") + risen(last, SUCCESS, "=\"length\"");
        // Who went away, or was failed, may have been answered to the end all the same.
        long most = answers + outcomes.open() + failed;
        notes.add(String.format(
                Locale.ROOT,
                "whole answers: clients saw %d, the server made %.0f; %d clients could not see the end of theirs",
                answers,
                finished,
                outcomes.open() + failed));
        if (finished < answers || finished > most) {
            findings.add("the server says that it made " + (long) finished + " whole answers, clients saw " + answers
                    + " and can have had " + most + " at most");
        }
        double generated = risen(last, GENERATED, "");
        notes.add(String.format(
                Locale.ROOT,
                "tokens: measured clients were told of %d, the server made %.0f in all",
                tokens,
                generated));
        if (generated < tokens) {
            findings.add(
                    "the server says that it made " + (long) generated + " tokens, clients were told of " + tokens);
        }
        none(last, SUCCESS, "=\"error\"", outcomes.late(), "requests ended with an error of the engine's", findings);
        none(last, "http_requests_total", "status=\"5xx\"", 0, "answers were 5xx", findings);
    }

    /** @param asked how many of them clients brought about on purpose */
    private void none(Metrics last, String name, String label, long asked, String what, List<String> findings) {
        double risen = risen(last, name, label);
        if (risen > asked) {
            findings.add((long) risen + " " + what + ", the server's metrics say (" + name + "); clients asked for "
                    + asked);
        }
    }

    private double risen(Metrics last, String name, String label) {
        return last.count(name, label) - (first == null ? 0 : first.count(name, label));
    }

    private List<String> memoryLines() {
        List<String> lines = new ArrayList<>();
        int step = Math.max(1, memory.size() / LINES);
        for (int i = 0; i < memory.size(); i++) {
            if (i % step == 0 || i == memory.size() - 1) {
                Memory at = memory.get(i);
                lines.add("after " + at.second + " s: heap in use " + mebibytes(at.heap) + ", resident "
                        + mebibytes(at.resident));
            }
        }
        return lines;
    }

    private static String mebibytes(double bytes) {
        return Double.isNaN(bytes) ? "unknown" : Numbers.brief(bytes / (1 << 20)) + " MiB";
    }
}
