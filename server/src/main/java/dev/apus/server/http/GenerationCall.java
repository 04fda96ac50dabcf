package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.Engine;
import dev.apus.scheduler.EngineEvent;
import dev.apus.scheduler.EngineEvent.Failed;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.QueueFullException;
import dev.apus.scheduler.Request;
import java.util.ArrayList;
import java.util.Comparator;
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
    private static final byte[] DONE = {'d', 'a', 't', 'a', ':', ' ', '[', 'D', 'O', 'N', 'E', ']', '\n', '\n'};

    private final Exchange exchange;
    private final GenerationSpec spec;
    private final AnswerWriter writer;
    private final Engine engine;
    private final ServerMetrics metrics;
    private final ExecutorService workers;
    private final int maxPendingBytes;
    private final List<Choice> choices = new ArrayList<>();
    private final List<Choice> news = new ArrayList<>();
    private boolean touched;
    private int endedChoices;
    private int sentChoices;
    private boolean closed;
    private volatile boolean cancelled;

    GenerationCall(
            Exchange exchange,
            GenerationSpec spec,
            AnswerWriter writer,
            Engine engine,
            ServerMetrics metrics,
            ExecutorService workers,
            int maxPendingBytes) {
        this.exchange = exchange;
        this.spec = spec;
        this.writer = writer;
        this.engine = engine;
        this.metrics = metrics;
        this.workers = workers;
        this.maxPendingBytes = maxPendingBytes;
    }

    /** Adds a sequence before {@link #start}. */
    void add(Prompt prompt, Request request, Tokenizer tokenizer) {
        choices.add(new Choice(this, spec, choices.size(), prompt, request, tokenizer));
    }

    /** Submits all choices, or none if the engine does not take all. */
    void start(EventPump pump) {
        if (exchange.isOver()) {
            return;
        }
        exchange.onWritable(this::emit);
        exchange.onAbort(this::abortAll);
        exchange.onRefusal(this::fail);
        exchange.onEnd(this::cancel);
        try {
            List<Engine.Job> jobs = new ArrayList<>(choices.size());
            for (Choice choice : choices) {
                jobs.add(new Engine.Job(choice.request(), event -> pump.post(choice, event)));
            }
            engine.submit(jobs);
            if (cancelled) {
                // The client went before the engine had heard of them.
                abortAll();
            }
        } catch (QueueFullException e) {
            metrics.rejected();
            failLater(new ApiException(
                    429, "the server is busy: " + e.getMessage(), null, "queue_full", e.retryAfterSeconds()));
        } catch (IllegalArgumentException e) {
            failLater(ApiException.badRequest(String.valueOf(e.getMessage())));
        } catch (IllegalStateException e) {
            failLater(ApiException.unavailable(String.valueOf(e.getMessage())));
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
                metrics.tokens(choice.request(), choice.sinceLastTokens(System.nanoTime()));
                if (choice.add(tokens)) {
                    engine.abort(choice.request().id());
                }
            }
            case EngineEvent.PromptLogprobs logprobs -> choice.add(logprobs);
            case Finished finished -> {
                choice.add(finished);
                endedChoices++;
                metrics.finished(choice.request(), finished, choice.finishReason(), spec.n());
                tellPromptDone(choice);
            }
            case Failed failed -> {
                choice.add(failed);
                endedChoices++;
                metrics.failed();
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

    private ApiException notMade(Throwable cause) {
        LOG.error("the answer to request {} could not be made", exchange.requestId(), cause);
        return new ApiException(
                500,
                "the answer could not be made, see the server's log for " + exchange.requestId(),
                null,
                "internal_error",
                0);
    }

    private static ApiException toError(Failed failed) {
        return failed.retryable()
                ? ApiException.unavailable(failed.message())
                : new ApiException(500, failed.message(), null, "engine_error", 0);
    }

    /** Sends what there is. */
    void emit() {
        touched = false;
        if (closed) {
            return;
        }
        if (spec.stream()) {
            int before = exchange.event().length();
            try {
                emitStream();
            } catch (RuntimeException e) {
                // Half an event must not go out before the error's; other answers wait for this event loop.
                exchange.event().truncate(before);
                fail(notMade(e));
            }
        } else if (endedChoices == choices.size()) {
            emitWhole();
        }
    }

    /** The whole answer may be long and the event loop has other connections, so it is made on a virtual thread. */
    private void emitWhole() {
        closed = true;
        try {
            workers.execute(() -> {
                try {
                    exchange.respondJson(200, writer.whole(choices, best()));
                } catch (RuntimeException e) {
                    exchange.respond(notMade(e));
                }
            });
        } catch (RejectedExecutionException e) {
            exchange.respond(ApiException.unavailable("the server is closed"));
        }
    }

    /** The choices to send: of the sequences of each prompt those of the likeliest tokens, in the order of their likelihood. */
    private List<Choice> best() {
        if (spec.sequences() == spec.n()) {
            return choices;
        }
        List<Choice> best = new ArrayList<>();
        for (int first = 0; first < choices.size(); first += spec.sequences()) {
            choices.subList(first, first + spec.sequences()).stream()
                    .sorted(Comparator.comparingDouble(Choice::meanLogprob).reversed())
                    .limit(spec.n())
                    .forEach(best::add);
        }
        return best;
    }

    private void emitStream() {
        if (!exchange.isWritable()) {
            cutOffIfTooFarBehind();
            return;
        }
        JsonOut out = exchange.event();
        for (Choice choice : news) {
            choice.queued(false);
            writer.chunk(out, choice);
            choice.sent();
            if (choice.finishSent()) {
                sentChoices++;
            }
        }
        news.clear();
        if (sentChoices == choices.size() && endedChoices == choices.size()) {
            closed = true;
            if (spec.includeUsage()) {
                writer.usageChunk(out, choices);
            }
            out.raw(DONE);
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
        if (exchange.streamStarted()) {
            exchange.event().raw("data: ").raw(error.json()).raw("\n\n").raw(DONE);
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
