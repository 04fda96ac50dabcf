package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.EngineEvent.Failed;
import dev.apus.scheduler.EngineEvent.FinishReason;
import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.PromptLogprobs;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import dev.apus.scheduler.EngineEvent.Tokens;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.TextStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One sequence of an answer: turns its tokens into text and keeps what is not sent yet. A stream sends it as often as the client takes
 * it; a whole answer never does, so that everything is still here at the end. Confined to the connection's event loop.
 */
final class Choice {
    /** Bytes of a log-probability's JSON, roughly, to account for what is pending. */
    private static final int LOGPROB_BYTES = 100;
    /** Of heap: a record, two arrays without their values, and the place in a list that grows by half. */
    private static final int PER_ENTRY = 88;
    /** An id and its log-probability in those arrays. */
    private static final int PER_TOP = 8;

    private final GenerationCall call;
    private final GenerationSpec spec;
    private final int index;
    private final Prompt prompt;
    private final Request request;
    private final TextStream stream;

    private final @Nullable ReasoningSplitter splitter;
    private final @Nullable RepetitionDetector repetition;

    private final StringBuilder text = new StringBuilder();
    private final StringBuilder reasoning = new StringBuilder();
    private int reasoningTokens;
    private int tokensAtSend;
    private double logprobSum;
    private int[] ids = new int[8];
    private int idCount;
    private final List<TokenLogprobs> logprobs = new ArrayList<>();
    private List<TokenLogprobs> promptLogprobs = List.of();
    private long pendingLogprobBytes;
    private long heldBytes;

    private boolean queued;
    private boolean begun;
    private @Nullable String finishReason;
    private @Nullable Object stopReason;
    private boolean finishSent;
    private @Nullable Finished finished;
    private @Nullable Failed failed;
    private long lastTokensNanos;
    /** Characters of the token strings told so far: vLLM's text offset. */
    int textOffset;

    Choice(GenerationCall call, GenerationSpec spec, int index, Prompt prompt, Request request, Tokenizer tokenizer) {
        this.call = call;
        this.spec = spec;
        this.index = index;
        this.prompt = prompt;
        this.request = request;
        stream = new TextStream(
                tokenizer,
                spec.stops(),
                spec.includeStop(),
                spec.skipSpecialTokens(),
                spec.stopIds(),
                spec.minTokens());
        AnswerOptions answer = spec.answer();
        splitter =
                answer.reasoning() == null ? null : new ReasoningSplitter(answer.reasoning(), answer.withinThought());
        repetition = answer.repetition() == null ? null : new RepetitionDetector(answer.repetition());
        if (spec.echo()) {
            text.append(
                    prompt.text() != null ? prompt.text() : tokenizer.decode(prompt.ids(), spec.skipSpecialTokens()));
        }
    }

    /** Takes new tokens; true if the text has just ended by what it says, so that the engine need not go on. */
    boolean add(Tokens tokens) {
        if (finishReason != null) {
            return false;
        }
        if (spec.echoOnly()) {
            return false;
        }
        List<TokenLogprobs> entries = tokens.logprobs();
        boolean circles = false;
        for (int i = 0; i < tokens.ids().length && !stream.stopped() && !circles; i++) {
            int id = tokens.ids()[i];
            boolean thinking = splitter != null && splitter.isThinking();
            add(stream.add(id));
            reasoningTokens += thinking || (splitter != null && splitter.isThinking()) ? 1 : 0;
            circles = repetition != null && repetition.add(id);
            if (spec.returnTokenIds()) {
                addId(id);
            }
            if (entries != null) {
                logprobSum += entries.get(i).logprob();
            }
            if (entries != null && spec.logprobs() >= 0) {
                addLogprobs(entries.get(i));
            }
        }
        if (stream.stopped()) {
            endText();
            finish("stop", stream.matchedStop());
        } else if (circles) {
            add(stream.finish());
            endText();
            finish("repetition", "repetition_detected");
        }
        return finishReason != null;
    }

    /** Adds text that is certain to the thoughts or to the answer. */
    private void add(String piece) {
        if (splitter == null) {
            text.append(piece);
            return;
        }
        splitter.add(piece, reasoning, text);
        dropReasoning();
    }

    private void endText() {
        if (splitter != null) {
            splitter.finish(reasoning, text);
            dropReasoning();
        }
    }

    private void dropReasoning() {
        if (!spec.answer().includeReasoning()) {
            reasoning.setLength(0);
        }
    }

    /** Takes the prompt's log-probabilities; with {@code echo} they come before the answer's. */
    void add(PromptLogprobs event) {
        promptLogprobs = likeliest(event.tokens(), spec.promptLogprobs());
        if (spec.echo() && spec.logprobs() >= 0) {
            // The first token follows nothing: it has no probability.
            addLogprobs(new TokenLogprobs(prompt.ids()[0], Float.NaN, 0, new int[0], new float[0]));
            likeliest(event.tokens(), spec.logprobs()).forEach(this::addLogprobs);
        }
    }

    /** The engine was asked once for what both {@code prompt_logprobs} and {@code echo} need: each gets what it asked for. */
    private static List<TokenLogprobs> likeliest(List<TokenLogprobs> entries, int most) {
        return entries.stream()
                .map(entry -> entry.topIds().length <= Math.max(0, most)
                        ? entry
                        : new TokenLogprobs(
                                entry.id(),
                                entry.logprob(),
                                entry.rank(),
                                Arrays.copyOf(entry.topIds(), Math.max(0, most)),
                                Arrays.copyOf(entry.topLogprobs(), Math.max(0, most))))
                .toList();
    }

    /** Takes the end. */
    void add(Finished event) {
        finished = event;
        if (finishReason != null) {
            return;
        }
        if (!spec.echoOnly()) {
            add(stream.finish());
            endText();
        }
        if (stream.stopped()) {
            finish("stop", stream.matchedStop());
        } else if (spec.echoOnly()) {
            finish("length", null);
        } else {
            boolean named =
                    event.reason() == FinishReason.STOP && spec.namedStopIds().contains(event.stopTokenId());
            finish(event.reason().name().toLowerCase(Locale.ROOT), named ? (Object) event.stopTokenId() : null);
        }
    }

    /** Takes a failure; one after the text's own end changes nothing. */
    void add(Failed event) {
        failed = event;
    }

    private void finish(String reason, @Nullable Object why) {
        finishReason = reason;
        stopReason = why;
    }

    private void addId(int id) {
        if (idCount == ids.length) {
            ids = Arrays.copyOf(ids, idCount * 2);
        }
        ids[idCount++] = id;
    }

    /** Bytes of heap that a token's log-probabilities take with those of so many others. */
    static int heldBytes(int top) {
        return PER_ENTRY + PER_TOP * top;
    }

    private void addLogprobs(TokenLogprobs entry) {
        int bytes = heldBytes(entry.topIds().length);
        call.hold(bytes);
        heldBytes += bytes;
        logprobs.add(entry);
        pendingLogprobBytes += LOGPROB_BYTES * (1L + entry.topIds().length);
    }

    /** Nanoseconds since the tokens before, or -1 for the first. */
    long sinceLastTokens(long now) {
        long since = lastTokensNanos == 0 ? -1 : now - lastTokensNanos;
        lastTokensNanos = now;
        return since;
    }

    GenerationCall call() {
        return call;
    }

    int index() {
        return index;
    }

    Prompt prompt() {
        return prompt;
    }

    Request request() {
        return request;
    }

    CharSequence text() {
        return text;
    }

    /** Thoughts that are not sent yet. */
    CharSequence reasoning() {
        return reasoning;
    }

    /** Tokens of its thoughts. */
    int reasoningTokens() {
        return reasoningTokens;
    }

    /** Mean log-probability of its tokens, by which {@code best_of} compares. */
    double meanLogprob() {
        return logprobSum / Math.max(1, stream.tokens());
    }

    int[] ids() {
        return ids;
    }

    int idCount() {
        return idCount;
    }

    List<TokenLogprobs> logprobs() {
        return logprobs;
    }

    List<TokenLogprobs> promptLogprobs() {
        return promptLogprobs;
    }

    @Nullable
    String finishReason() {
        return finishReason;
    }

    @Nullable
    Object stopReason() {
        return stopReason;
    }

    /** The engine's account of the request once it has ended. */
    @Nullable
    Finished finished() {
        return finished;
    }

    /** The engine's failure, if the text had not ended before. */
    @Nullable
    Failed failure() {
        return finishReason == null ? failed : null;
    }

    /** Whether the engine is done with it. */
    boolean ended() {
        return finished != null || failed != null;
    }

    int completionTokens() {
        return stream.tokens();
    }

    int cachedTokens() {
        Finished end = finished;
        return end == null ? 0 : end.cachedTokens();
    }

    /** Whether there is something to send. */
    boolean hasNews() {
        if (finishReason != null) {
            return !finishSent;
        }
        boolean due = !begun || stream.tokens() - tokensAtSend >= spec.answer().streamInterval();
        return due && (!text.isEmpty() || !reasoning.isEmpty() || idCount > 0 || !logprobs.isEmpty());
    }

    long pendingBytes() {
        return text.length() + reasoning.length() + idCount * 8L + pendingLogprobBytes;
    }

    /** What was pending has been sent. */
    void sent() {
        text.setLength(0);
        reasoning.setLength(0);
        tokensAtSend = stream.tokens();
        idCount = 0;
        logprobs.clear();
        pendingLogprobBytes = 0;
        call.release(heldBytes);
        heldBytes = 0;
        begun = true;
        finishSent = finishReason != null;
    }

    /** Whether a chunk of it was sent before. */
    boolean begun() {
        return begun;
    }

    /** Whether the last chunk of it was sent. */
    boolean finishSent() {
        return finishSent;
    }

    boolean queued() {
        return queued;
    }

    void queued(boolean value) {
        queued = value;
    }
}
