package dev.apus.server.http;

import dev.apus.models.EncoderConfig;
import dev.apus.models.tokenizer.SequenceTemplate;
import dev.apus.scheduler.GenerationException;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.Tenant;
import dev.apus.scheduler.pooling.Pooler;
import dev.apus.scheduler.pooling.PoolingInfo;
import dev.apus.scheduler.pooling.PoolingRequest;
import dev.apus.scheduler.pooling.PoolingTask;
import dev.apus.server.auth.QuotaException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Has a request's sequences pooled and waits, on the request's virtual thread, for what comes of them. Thread-safe. */
final class PoolingCall {
    private final ServedModel model;
    private final HttpOptions options;
    private final ServerMetrics metrics;

    PoolingCall(ServedModel model, HttpOptions options, ServerMetrics metrics) {
        this.model = model;
        this.options = options;
        this.metrics = metrics;
    }

    static long tokens(List<SequenceTemplate.Sequence> sequences) {
        return sequences.stream().mapToLong(sequence -> sequence.ids().length).sum();
    }

    private Pooler pooler() {
        Pooler pooler = model.pooler();
        if (pooler == null) {
            throw new ApiException(
                    400,
                    "the model '" + model.name() + "' is served for text generation alone: serve it on the cpu backend"
                            + " and without --runner generate, or serve an embedding model",
                    "model",
                    "unsupported_model",
                    0);
        }
        return pooler;
    }

    /** @throws ApiException if the model does not pool */
    PoolingInfo info() {
        return pooler().info();
    }

    /** @throws ApiException if the model has no classifier */
    EncoderConfig.Head head() {
        EncoderConfig.Head head = info().head();
        if (head == null) {
            throw new ApiException(
                    400,
                    "the model '" + model.name()
                            + "' has no classifier: it makes embeddings; ask /v1/embeddings, or serve"
                            + " a model whose class ends in ForSequenceClassification",
                    "model",
                    "unsupported_model",
                    0);
        }
        return head;
    }

    /**
     * The rows of each sequence.
     *
     * @throws ApiException if the queue is full, the tenant's quota spent, the model fails, it takes too long or the client goes
     */
    List<float[][]> run(Exchange exchange, List<SequenceTemplate.Sequence> sequences, PoolingTask task) {
        Slo slo = Slo.of(exchange);
        Tenant tenant = Slo.tenantOf(exchange, slo);
        long limit = shorter(options.requestTimeout().toNanos(), slo.timeoutNanos());
        List<PoolingRequest> requests = new ArrayList<>(sequences.size());
        for (SequenceTemplate.Sequence sequence : sequences) {
            requests.add(new PoolingRequest(sequence.ids(), sequence.types(), task, tenant));
        }
        long tokens = tokens(sequences);
        try {
            exchange.admission().takePrompt(tokens);
        } catch (QuotaException e) {
            throw Refusal.told(e, metrics);
        }
        List<CompletableFuture<float[][]>> results;
        try {
            results = pooler().submit(requests, left(exchange, shorter(limit, slo.ttftNanos())));
        } catch (RuntimeException e) {
            exchange.admission().giveBack(tokens);
            throw Refusal.told(e, metrics);
        }
        exchange.record().pooled(tenant.name(), tokens);
        metrics.tenants().of(tenant.name()).prompt(tokens, 0);
        Runnable drop = () -> results.forEach(result -> result.cancel(false));
        exchange.onAbort(drop);
        exchange.onEnd(drop);
        return await(exchange, results, drop, limit);
    }

    /** Of two limits of which 0 is none. */
    private static long shorter(long a, long b) {
        return a == 0 || b == 0 ? a + b : Math.min(a, b);
    }

    /** What is left of a limit since the request came, at least a nanosecond; 0 is none. */
    private static long left(Exchange exchange, long limit) {
        return limit == 0 ? 0 : Math.max(1, exchange.arrivalNanos() + limit - System.nanoTime());
    }

    /** @param limit nanoseconds after the request's arrival; 0 means none */
    private static List<float[][]> await(
            Exchange exchange, List<CompletableFuture<float[][]>> results, Runnable drop, long limit) {
        long deadline = exchange.arrivalNanos() + limit;
        List<float[][]> rows = new ArrayList<>(results.size());
        try {
            for (CompletableFuture<float[][]> result : results) {
                rows.add(
                        limit == 0
                                ? result.get()
                                : result.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS));
            }
            return rows;
        } catch (TimeoutException e) {
            drop.run();
            throw new ApiException(
                    504,
                    "the request was not done within its limit of " + limit / 1_000_000 + " ms",
                    null,
                    "request_timeout",
                    0);
        } catch (CancellationException e) {
            throw ApiException.unavailable("the request was ended before it was done");
        } catch (InterruptedException e) {
            drop.run();
            throw ApiException.unavailable("the server is closed");
        } catch (ExecutionException e) {
            drop.run();
            throw failure(e);
        }
    }

    private static ApiException failure(ExecutionException e) {
        return e.getCause() instanceof GenerationException cause && cause.retryable()
                ? ApiException.unavailable(String.valueOf(cause.getMessage()))
                : new ApiException(500, String.valueOf(e.getCause()), null, "engine_error", 0);
    }
}
