package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.EngineEvent.Failed;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.Request;
import dev.apus.server.auth.QuotaException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request for text while the engine works on it: its choices, and the answer that grows from their events. {@link #start} runs on a
 * virtual thread; everything after on the connection's event loop.
 */
final class GenerationCall {
    private static final Logger LOG = LoggerFactory.getLogger(GenerationCall.class);

    /** Who waited in vain met a queue that takes about as long again. */
    private static final int RETRY_AFTER_EXPIRY_SECONDS = 5;

    private final Exchange exchange;
    private final GenerationSpec spec;
    private final Renderer renderer;
    private final Engine engine;
    private final ServerMetrics metrics;
    private final TenantMetrics.Usage usage;
    private final ExecutorService workers;
    private final int maxPendingBytes;
    private final List<Choice> choices = new ArrayList<>();
    private final List<Choice> news = new ArrayList<>();
    private boolean opened;
    private boolean running;
    private boolean touched;
    private int endedChoices;
    private int sentChoices;
    private boolean closed;
    private volatile boolean cancelled;
    private final Generating progress = new Generating();

    GenerationCall(
            Exchange exchange,
            GenerationSpec spec,
            Renderer renderer,
            Engine engine,
            ServerMetrics metrics,
            TenantMetrics.Usage usage,
            ExecutorService workers,
            int maxPendingBytes) {
        this.exchange = exchange;
        this.spec = spec;
        this.renderer = renderer;
        this.engine = engine;
        this.metrics = metrics;
        this.usage = usage;
        this.workers = workers;
        this.maxPendingBytes = maxPendingBytes;
    }

    /** Adds a sequence before {@link #start}. */
    void add(Prompt prompt, Request request, Tokenizer tokenizer) {
        choices.add(new Choice(this, spec, choices.size(), prompt, request, tokenizer));
        progress.add(request);
    }

    /** Submits all choices, or none if the engine does not take all. */
    void start(EventPump pump) {
        if (exchange.isOver()) {
            // Who keeps the answer must not wait for it.
            failLater(ApiException.unavailable("the request ended before it began"));
            return;
        }
        exchange.onWritable(this::emit);
        exchange.onAbort(this::abortAll);
        exchange.onRefusal(this::fail);
        exchange.onEnd(this::cancel);
        long promptTokens = promptTokens();
        try {
            takePromptLogprobs();
            exchange.admission().takePrompt(promptTokens);
        } catch (ApiException e) {
            failLater(e);
            return;
        } catch (QuotaException e) {
            failLater(Refusal.told(e, metrics));
            return;
        }
        Request first = choices.getFirst().request();
        exchange.record().begin(first.tenant().name(), first.params(), choices.size(), spec.sequences());
        try {
            List<Engine.Job> jobs = new ArrayList<>(choices.size());
            for (Choice choice : choices) {
                jobs.add(new Engine.Job(choice.request(), event -> pump.post(choice, event)));
            }
            engine.submit(jobs);
            exchange.generating(progress);
            if (cancelled) {
                // The client went before the engine had heard of them.
                abortAll();
            } else if (spec.stream()) {
                openLater();
            }
        } catch (RuntimeException e) {
            // Nothing of it was queued, so nothing of it counts.
            exchange.record().refused();
            exchange.admission().giveBack(promptTokens);
            failLater(Refusal.told(e, metrics));
        }
    }

    /** Those of prompts come all at once, and how many is known. @throws ApiException if there is not enough memory */
    private void takePromptLogprobs() {
        for (Choice choice : choices) {
            int top = choice.request().params().promptLogprobs();
            if (top >= 0) {
                // As the engine tells them, and as few as each parameter asked for.
                exchange.answerMemory().grow(2L * choice.request().prompt().length * Choice.heldBytes(top));
            }
        }
    }

    /** Takes memory for log-probabilities that wait. @throws ApiException if there is no more */
    void hold(long bytes) {
        // After its end some tokens may come until the engine has heard of it.
        if (!closed) {
            exchange.answerMemory().grow(bytes);
        }
    }

    /** The log-probabilities wait no longer. */
    void release(long bytes) {
        if (bytes > 0 && !renderer.keepsLogprobs()) {
            exchange.answerMemory().shrink(bytes);
        }
    }

    /** Of all prompts, each once, whatever the number of its choices. */
    private long promptTokens() {
        long tokens = 0;
        for (int i = 0; i < choices.size(); i += spec.sequences()) {
            tokens += choices.get(i).request().prompt().length;
        }
        return tokens;
    }

    private void openLater() {
        try {
            exchange.loop().execute(this::openAndFlush);
        } catch (RejectedExecutionException e) {
            LOG.debug("request {} came as the server closed", exchange.requestId());
        }
    }

    private void failLater(ApiException error) {
        exchange.loop().execute(() -> fail(error));
    }

    /** Takes an event; true if {@link #emit} must follow and was not asked for yet. */
    boolean accept(Choice choice, EngineEvent event) {
        try {
            take(choice, event);
        } catch (RuntimeException e) {
            fail(notMade(e));
        }
        if (!choice.queued() && choice.hasNews()) {
            choice.queued(true);
            news.add(choice);
        }
        boolean first = !touched;
        touched = true;
        return first;
    }

    private void take(Choice choice, EngineEvent event) {
        switch (event) {
            case EngineEvent.Tokens tokens -> {
                if (!running) {
                    running = true;
                    renderer.running();
                }
                exchange.admission().takeGenerated(tokens.ids().length);
                progress.generated(tokens.ids().length);
                exchange.record().tokens();
                usage.generated(tokens.ids().length);
                metrics.tokens(choice.request(), choice.sinceLastTokens(System.nanoTime()));
                if (choice.add(tokens)) {
                    engine.abort(choice.request().id());
                }
            }
            case EngineEvent.PromptLogprobs logprobs -> choice.add(logprobs);
            case Finished finished -> {
                choice.add(finished);
                endedChoices++;
                progress.ended(endedChoices);
                String told = choice.finishReason();
                String reason = told == null ? "abort" : told;
                RequestRecord record = exchange.record();
                metrics.finished(choice.request(), finished, reason, spec.n(), record.submittedNanos());
                tellPromptDone(choice);
                if (choice.index() % spec.sequences() == 0) {
                    usage.prompt(finished.promptTokens(), finished.cachedTokens());
                }
                record.finished(choice.index(), finished, reason);
            }
            case Failed failed -> {
                choice.add(failed);
                endedChoices++;
                progress.ended(endedChoices);
                metrics.failed();
                exchange.record().failed(choice.index());
                if (choice.failure() != null) {
                    fail(toError(failed));
                }
            }
        }
    }

    /** Tells the metrics of a prompt whose last choice has ended. */
    private void tellPromptDone(Choice last) {
        int first = last.index() - last.index() % spec.sequences();
        int most = 0;
        for (Choice choice : choices.subList(first, first + spec.sequences())) {
            Finished end = choice.finished();
            if (end == null) {
                return;
            }
            most = Math.max(most, end.generatedTokens());
        }
        metrics.promptDone(most);
    }

    private ApiException notMade(RuntimeException cause) {
        if (cause instanceof ApiException told) {
            return told;
        }
        LOG.error("the answer to request {} could not be made", exchange.requestId(), cause);
        return new ApiException(
                500,
                "the answer could not be made, see the server's log for " + exchange.requestId(),
                null,
                "internal_error",
                0);
    }

    private static ApiException toError(Failed failed) {
        return switch (failed.kind()) {
            case DEADLINE -> new ApiException(504, failed.message(), null, "request_timeout", 0);
            case QUEUE_EXPIRED ->
                new ApiException(503, failed.message(), null, "queue_expired", RETRY_AFTER_EXPIRY_SECONDS);
            case ENGINE ->
                failed.retryable()
                        ? ApiException.unavailable(failed.message())
                        : new ApiException(500, failed.message(), null, "engine_error", 0);
        };
    }

    /** Sends what there is. */
    void emit() {
        touched = false;
        if (closed) {
            return;
        }
        if (spec.stream()) {
            append(this::emitStream);
        } else if (endedChoices == choices.size()) {
            emitWhole();
        }
    }

    private void append(Runnable events) {
        int before = exchange.event().length();
        try {
            events.run();
        } catch (RuntimeException e) {
            // Half an event must not go out before the error's; other answers wait for this event loop.
            exchange.event().truncate(before);
            fail(notMade(e));
        }
    }

    /** Sends what the stream begins with, unless a token was quicker. */
    private void openAndFlush() {
        if (!closed && !opened) {
            append(() -> {
                open();
                exchange.flush();
            });
        }
    }

    private void open() {
        if (!opened) {
            opened = true;
            renderer.open(exchange.event(), choices);
        }
    }

    /** The whole answer may be long and the event loop has other connections, so it is made on a virtual thread. */
    private void emitWhole() {
        closed = true;
        try {
            workers.execute(() -> {
                try {
                    exchange.respondJson(200, renderer.whole(new JsonOut(exchange.answerMemory()), choices));
                } catch (RejectedExecutionException e) {
                    LOG.debug("request {} was answered as the server closed", exchange.requestId());
                } catch (RuntimeException e) {
                    ApiException error = notMade(e);
                    renderer.failed(error);
                    exchange.respond(error);
                }
            });
        } catch (RejectedExecutionException e) {
            exchange.respond(ApiException.unavailable("the server is closed"));
        }
    }

    private void emitStream() {
        if (!exchange.isWritable()) {
            cutOffIfTooFarBehind();
            return;
        }
        open();
        JsonOut out = exchange.event();
        for (Choice choice : news) {
            choice.queued(false);
            renderer.chunk(out, choice);
            choice.sent();
            if (choice.finishSent()) {
                sentChoices++;
            }
        }
        news.clear();
        if (sentChoices == choices.size() && endedChoices == choices.size()) {
            renderer.end(out, choices);
            closed = true;
            exchange.endStream();
        } else {
            exchange.flush();
        }
    }

    /** A client that does not read may not make its answer pile up here. */
    private void cutOffIfTooFarBehind() {
        long pending = 0;
        for (Choice choice : news) {
            pending += choice.pendingBytes();
        }
        if (pending > maxPendingBytes) {
            LOG.info("request {} is cut off: its client has {} bytes to read", exchange.requestId(), pending);
            cancel();
            exchange.cutOff();
        }
    }

    /** Ends the answer with an error, as a status if nothing was sent yet. */
    private void fail(ApiException error) {
        if (closed) {
            return;
        }
        abortAll();
        closed = true;
        renderer.failed(error);
        if (exchange.streamStarted()) {
            renderer.error(exchange.event(), error);
            exchange.endStream();
        } else {
            exchange.respond(error);
        }
    }

    /** Nobody waits for the answer any more: it has been written, the client has gone, or another answer was given. */
    private void cancel() {
        cancelled = true;
        if (!closed) {
            abortAll();
            closed = true;
        }
    }

    /** Aborts all choices in the engine: they end as aborted. Any thread. */
    void abortAll() {
        for (Choice choice : choices) {
            engine.abort(choice.request().id());
        }
    }
}
