package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Owner;
import dev.apus.server.batch.Batch.Problem;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Answers a request with its body, or as a test says. */
final class EchoWork implements BatchWork {
    /** Request ids in the order in which they were started. */
    final List<String> started = new CopyOnWriteArrayList<>();

    final List<CompletableFuture<Outcome>> open = new CopyOnWriteArrayList<>();
    volatile Load load = new Load(true, 0, 0);
    volatile Function<String, CompletableFuture<Outcome>> answers = EchoWork::answer;
    final AtomicInteger aborted = new AtomicInteger();
    /** Called for each line that is validated. */
    volatile Runnable validating = () -> {};

    static CompletableFuture<Outcome> answer(String body) {
        boolean wrong = body.contains("wrong");
        byte[] json = ("{\"echo\":" + body + "}").getBytes(StandardCharsets.UTF_8);
        return CompletableFuture.completedFuture(new Outcome.Answered(wrong ? 400 : 200, json));
    }

    /** Requests stay open until the test completes them. */
    EchoWork holding() {
        answers = body -> {
            CompletableFuture<Outcome> outcome = new CompletableFuture<>();
            open.add(outcome);
            return outcome;
        };
        return this;
    }

    /** The first times a request is put off. */
    EchoWork puttingOff(int times) {
        answers = body -> started.size() <= times
                ? CompletableFuture.completedFuture(new Outcome.Later(Duration.ofMillis(1)))
                : answer(body);
        return this;
    }

    @Override
    public Load load() {
        return load;
    }

    @Override
    public @Nullable Problem checkModel(Owner owner, @Nullable String model, int line) {
        validating.run();
        return model == null || model.equals("stub")
                ? null
                : new Problem("model_not_found", "the model '" + model + "' is not served here", "model", line);
    }

    @Override
    public Call start(Batch batch, String requestId, byte[] body) {
        started.add(requestId);
        CompletableFuture<Outcome> outcome = answers.apply(new String(body, StandardCharsets.UTF_8));
        return new Call() {
            @Override
            public CompletableFuture<Outcome> outcome() {
                return outcome;
            }

            @Override
            public void abort() {
                aborted.incrementAndGet();
            }
        };
    }
}
