package dev.apus.server.http;

import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a choice of an answer has to tell, for those who show it in a form of their own. Valid while it is handed over. */
public final class Part {
    private final Choice choice;

    Part(Choice choice) {
        this.choice = choice;
    }

    /** Of the choice among those of its request, from 0. */
    public int index() {
        return choice.index();
    }

    /** Whether it is the choice's first. */
    public boolean isFirst() {
        return !choice.begun();
    }

    public CharSequence text() {
        return choice.text();
    }

    /** What a reasoning model thought, if the server tells it apart. */
    public CharSequence reasoning() {
        return choice.reasoning();
    }

    /** New tokens; none unless {@code return_token_ids} is on. */
    public int tokenCount() {
        return choice.idCount();
    }

    /** @param at from 0 to {@link #tokenCount} */
    public int token(int at) {
        return choice.ids()[at];
    }

    /** Of new tokens, if asked for. */
    public List<TokenLogprobs> logprobs() {
        return choice.logprobs();
    }

    /** Of the prompt's second token and those after, if asked for. */
    public List<TokenLogprobs> promptLogprobs() {
        return choice.promptLogprobs();
    }

    /** The prompt's tokens; not to be modified. */
    public int[] promptIds() {
        return choice.prompt().ids();
    }

    /** {@code stop}, {@code length} or {@code abort} in a choice's last part, else null. */
    public @Nullable String finishReason() {
        return choice.finishReason();
    }

    /** The stop string or the id among the request's {@code stop_token_ids} that ended it, else null. */
    public @Nullable Object stopReason() {
        return choice.stopReason();
    }

    /** The id that ended it in the engine, or -1. */
    public int engineStopId() {
        var finished = choice.finished();
        return finished == null ? -1 : finished.stopTokenId();
    }

    /** Tokens of the choice so far. */
    public int completionTokens() {
        return choice.completionTokens();
    }

    /** Of the prompt's tokens, those found in the prefix cache; known at the end. */
    public int cachedTokens() {
        return choice.cachedTokens();
    }
}
