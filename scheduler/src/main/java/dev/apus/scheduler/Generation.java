package dev.apus.scheduler;

import dev.apus.scheduler.EngineEvent.Failed;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.Tokens;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * An answer on its way: iterate over its pieces of text as they are generated, or take the whole {@link #text}. It can be read once, by
 * one thread; closing it early aborts the request. Reading throws {@link GenerationException} if the engine failed.
 */
public final class Generation implements Iterable<String>, AutoCloseable {
    private final Engine engine;
    private final String requestId;
    private final TextStream text;
    private final int promptTokens;
    private final BlockingQueue<EngineEvent> events = new LinkedBlockingQueue<>();
    private @Nullable FinishReason finishReason;
    private boolean iterated;

    Generation(Engine engine, Request request, TextStream text) {
        this.engine = engine;
        this.text = text;
        requestId = request.id();
        promptTokens = request.prompt().length;
        engine.submit(request, events::add);
    }

    /** The pieces of text, none empty; waits for each. */
    @Override
    public Iterator<String> iterator() {
        if (iterated) {
            throw new IllegalStateException("an answer can be read only once");
        }
        iterated = true;
        return new Pieces();
    }

    /** The pieces as a stream. */
    public Stream<String> stream() {
        return StreamSupport.stream(spliterator(), false).onClose(this::close);
    }

    /** Waits for the end and returns the whole text. */
    public String text() {
        StringBuilder whole = new StringBuilder();
        forEach(whole::append);
        return whole.toString();
    }

    /** Why it ended, or null while it has not. */
    public @Nullable FinishReason finishReason() {
        return finishReason;
    }

    /** Tokens of the prompt. */
    public int promptTokens() {
        return promptTokens;
    }

    /** Tokens generated so far. */
    public int generatedTokens() {
        return text.tokens();
    }

    /** Aborts the request if it still runs. */
    @Override
    public void close() {
        if (finishReason == null) {
            finishReason = FinishReason.ABORT;
            engine.abort(requestId);
        }
    }

    /** Waits for the next event that gives text; empty at the end. */
    private String nextPiece() {
        while (finishReason == null) {
            String piece =
                    switch (take()) {
                        case Tokens tokens -> {
                            String added = text.add(tokens.ids());
                            if (text.stopped()) {
                                finishReason = FinishReason.STOP;
                                engine.abort(requestId);
                            }
                            yield added;
                        }
                        case Finished finished -> {
                            finishReason = finished.reason();
                            yield text.finish();
                        }
                        case Failed failed -> {
                            finishReason = FinishReason.ABORT;
                            throw new GenerationException(failed.message(), failed.retryable());
                        }
                        case EngineEvent.PromptLogprobs logprobs -> "";
                    };
            if (!piece.isEmpty()) {
                return piece;
            }
        }
        return "";
    }

    private EngineEvent take() {
        try {
            return events.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
            throw new GenerationException("interrupted while waiting for the answer", true);
        }
    }

    private final class Pieces implements Iterator<String> {
        private String next = "";

        @Override
        public boolean hasNext() {
            if (next.isEmpty()) {
                next = nextPiece();
            }
            return !next.isEmpty();
        }

        @Override
        public String next() {
            if (!hasNext()) {
                throw new NoSuchElementException("the answer has ended");
            }
            String piece = next;
            next = "";
            return piece;
        }
    }
}
