package dev.apus.server.http;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.Timing;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import dev.apus.scheduler.EngineEvent.Tokens;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Answers each request with its prompt over again until max_tokens; endless and held requests wait for an abort. */
final class StubEngine implements Engine {
    /** A prompt that begins with this token is never finished. */
    static final int ENDLESS = 'E';

    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    final Set<String> aborted = ConcurrentHashMap.newKeySet();
    private final Set<String> running = ConcurrentHashMap.newKeySet();
    volatile boolean full;

    @Override
    public void submit(List<Job> jobs) {
        if (full) {
            throw new QueueFullException(7, 7, 3);
        }
        for (Job job : jobs) {
            running.add(job.request().id());
            thread.execute(() -> run(job.request(), job.events(), 0));
        }
    }

    private void run(Request request, Consumer<EngineEvent> events, int at) {
        int[] prompt = request.prompt();
        boolean endless = prompt[0] == ENDLESS;
        if (aborted.contains(request.id())
                || (!endless && at == request.params().maxTokens())) {
            running.remove(request.id());
            FinishReason reason = aborted.contains(request.id()) ? FinishReason.ABORT : FinishReason.LENGTH;
            long now = System.nanoTime();
            Timing timing = new Timing(request.arrivalNanos(), now, now, now, 0);
            events.accept(new Finished(request.id(), reason, -1, prompt.length, 0, at, timing));
            return;
        }
        int id = prompt[at % prompt.length];
        events.accept(new Tokens(request.id(), new int[] {id}, logprobs(request, id)));
        thread.execute(() -> run(request, events, at + 1));
    }

    private static @Nullable List<TokenLogprobs> logprobs(Request request, int id) {
        int count = request.params().logprobs();
        if (count < 0) {
            return null;
        }
        List<TokenLogprobs> entries = new ArrayList<>();
        entries.add(new TokenLogprobs(id, -0.5f, 1, new int[] {id}, new float[] {-0.5f}));
        return entries;
    }

    @Override
    public void abort(String requestId) {
        if (running.contains(requestId)) {
            aborted.add(requestId);
        }
    }

    @Override
    public CompletableFuture<Void> drain() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public EngineStats stats() {
        return new EngineStats(running.size(), 0, 100, 50, 16, 10, 5, 0, 20, 30, 40, true);
    }

    @Override
    public void close() {
        aborted.addAll(running);
        thread.close();
    }
}
