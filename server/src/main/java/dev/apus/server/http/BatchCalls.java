package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.QuotaException;
import dev.apus.server.batch.Batch;
import dev.apus.server.batch.Batch.Owner;
import dev.apus.server.batch.Batch.Problem;
import dev.apus.server.batch.BatchWork;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Runs the requests of batches as if a client had sent them: by the same routes, behind those of clients, on the account of the batch's
 * tenant. Thread-safe.
 */
final class BatchCalls implements BatchWork {
    /** How long to wait when the server has no room. */
    private static final Duration SOON = Duration.ofSeconds(1);
    /** How long to wait for a tenant that has no key. */
    private static final Duration LATER = Duration.ofSeconds(30);

    private final ServedModel model;
    private final Dispatcher dispatcher;
    private final InFlight inFlight;
    private final Access access;
    private final EventLoopGroup loops;
    private final AtomicInteger running = new AtomicInteger();

    BatchCalls(ServedModel model, Dispatcher dispatcher, InFlight inFlight, Access access, EventLoopGroup loops) {
        this.model = model;
        this.dispatcher = dispatcher;
        this.inFlight = inFlight;
        this.access = access;
        this.loops = loops;
    }

    @Override
    public Load load() {
        boolean accepts = !inFlight.isDraining()
                && !inFlight.isPaused()
                && model.engine().stats().alive();
        int interactive = Math.max(0, inFlight.count() - running.get());
        return new Load(accepts, interactive, model.engine().stats().waiting());
    }

    @Override
    public @Nullable Problem checkModel(Owner owner, @Nullable String name, int line) {
        try {
            InfoRoutes.checkModel(model, name);
        } catch (ApiException e) {
            return new Problem("model_not_found", e.text(), "body.model", line);
        }
        return owner.models().isEmpty() || owner.models().contains(model.name())
                ? null
                : new Problem(
                        "model_not_allowed",
                        "the API key '" + owner.key() + "' may not use the model '" + model.name() + "'",
                        "body.model",
                        line);
    }

    @Override
    public Call start(Batch batch, String requestId, byte[] body) {
        Principal principal = access.actingFor(batch.owner());
        if (principal == null) {
            return new Settled(new Outcome.Later(LATER));
        }
        if (!principal.mayUse(model.name())) {
            return new Settled(answered(Access.modelNotAllowed(principal, model.name())));
        }
        String path = batch.order().endpoint();
        LineSink sink = new LineSink(loops.next());
        Exchange exchange = new Exchange(sink, request(path, requestId), dispatcher.memory(), RequestWatch.NONE);
        exchange.route(path);
        exchange.principal(principal);
        exchange.inBatch();
        try {
            exchange.admission(access.admitInBackground(principal));
        } catch (QuotaException e) {
            return new Settled(new Outcome.Later(Duration.ofSeconds(Math.max(1, e.retryAfterSeconds()))));
        }
        if (!exchange.memory().tryTake((long) body.length * MemoryBudget.PER_BODY_BYTE)) {
            return new Settled(new Outcome.Later(SOON));
        }
        exchange.body(body);
        running.incrementAndGet();
        if (!inFlight.enter(exchange)) {
            running.decrementAndGet();
            exchange.memory().close();
            return new Settled(new Outcome.Later(SOON));
        }
        exchange.onLeft(() -> {
            inFlight.leave(exchange);
            running.decrementAndGet();
        });
        int abortions = inFlight.abortions();
        dispatcher.dispatch(dispatcher.generation(path), exchange);
        return new Running(exchange, sink.answer().thenApply(answer -> outcome(answer, abortions)));
    }

    private static HttpRequest request(String path, String requestId) {
        HttpRequest request = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.POST, path);
        request.headers().set(HttpHeaderNames.CONTENT_TYPE, "application/json").set("x-request-id", requestId);
        return request;
    }

    /** What would be right another time is tried again; an answer that was broken off, too. */
    private Outcome outcome(LineSink.Answer answer, int abortions) {
        int after = answer.retryAfterSeconds();
        if (answer.status() == 503 || (answer.status() == 429 && after > 0)) {
            return new Outcome.Later(Duration.ofSeconds(Math.max(1, after)));
        }
        return inFlight.abortions() == abortions
                ? new Outcome.Answered(answer.status(), answer.body())
                : new Outcome.Later(SOON);
    }

    private static Outcome answered(ApiException error) {
        return new Outcome.Answered(error.status(), error.json());
    }

    /** One that was not started. */
    private record Settled(Outcome settled) implements Call {
        @Override
        public CompletableFuture<Outcome> outcome() {
            return CompletableFuture.completedFuture(settled);
        }

        @Override
        public void abort() {
            // It does not run.
        }
    }

    private record Running(Exchange exchange, CompletableFuture<Outcome> outcome) implements Call {
        @Override
        public void abort() {
            exchange.abort();
        }
    }
}
