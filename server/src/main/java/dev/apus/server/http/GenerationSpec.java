package dev.apus.server.http;

import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.SamplingParamsBuilder;
import dev.apus.scheduler.ThinkingBudget;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a request for text asks for besides its prompt.
 *
 * @param sampling parameters, with no limit of tokens
 * @param maxTokens most tokens of an answer, or null for what the context leaves
 * @param limitName the parameter that gave it, for messages
 * @param n choices per prompt
 * @param stops stop strings
 * @param includeStop whether a stop string belongs to the text
 * @param skipSpecialTokens whether special tokens give no text
 * @param stopIds ids that end the answer, end-of-sequence ids included
 * @param namedStopIds those of them that the request named: they are told as the stop reason
 * @param minTokens stop strings count after so many tokens
 * @param stream whether to answer by server-sent events
 * @param includeUsage whether the stream ends with the usage
 * @param continuousUsage whether each of the stream's chunks tells the usage so far
 * @param logprobs likeliest tokens to tell per token; 0 the drawn one only, -1 nothing
 * @param promptLogprobs the same for the prompt, as {@code prompt_logprobs}
 * @param returnTokenIds whether to tell token ids
 * @param tokensAsIds whether log-probabilities name tokens {@code token_id:42}
 * @param echo whether the prompt comes before the text
 * @param echoOnly the prompt is all that is wanted: {@code max_tokens} was 0
 * @param priority lower runs first
 * @param cacheSalt separates the prefix cache
 * @param answer how an answer is made of what the model says
 */
record GenerationSpec(
        SamplingParams sampling,
        @Nullable Integer maxTokens,
        String limitName,
        int n,
        List<String> stops,
        boolean includeStop,
        boolean skipSpecialTokens,
        Set<Integer> stopIds,
        Set<Integer> namedStopIds,
        int minTokens,
        boolean stream,
        boolean includeUsage,
        boolean continuousUsage,
        int logprobs,
        int promptLogprobs,
        boolean returnTokenIds,
        boolean tokensAsIds,
        boolean echo,
        boolean echoOnly,
        int priority,
        String cacheSalt,
        AnswerOptions answer) {

    /** Sequences that the engine makes for a prompt. */
    int sequences() {
        return answer.bestOf();
    }

    /** The same for a prompt that leaves the model in the middle of a thought, or does not. */
    GenerationSpec withinThought(boolean thought) {
        ThinkingBudget budget = sampling.thinkingBudget();
        SamplingParams within = budget == null
                ? sampling
                : new SamplingParamsBuilder(sampling)
                        .thinkingBudget(new ThinkingBudget(budget.tokens(), budget.start(), budget.end(), thought))
                        .build();
        return new GenerationSpec(
                within,
                maxTokens,
                limitName,
                n,
                stops,
                includeStop,
                skipSpecialTokens,
                stopIds,
                namedStopIds,
                minTokens,
                stream,
                includeUsage,
                continuousUsage,
                logprobs,
                promptLogprobs,
                returnTokenIds,
                tokensAsIds,
                echo,
                echoOnly,
                priority,
                cacheSalt,
                answer.within(thought));
    }

    /**
     * The engine's parameters for a prompt of so many tokens.
     *
     * @param modelLimit the model's own limit of an answer
     * @throws ApiException if prompt and answer do not fit the context
     */
    SamplingParams paramsFor(int promptTokens, int maxModelLength, int modelLimit) {
        int room = maxModelLength - promptTokens;
        if (room < 1) {
            throw tooLong(
                    "the prompt has " + promptTokens + " tokens, at most " + (maxModelLength - 1)
                            + " fit the context length of " + maxModelLength + "; shorten the prompt",
                    "prompt");
        }
        int limit = maxTokens == null ? Math.min(room, modelLimit) : maxTokens;
        if (limit > room) {
            throw tooLong(
                    "'" + limitName + "' is " + limit + " and the prompt has " + promptTokens
                            + " tokens, together they must be at most the context length of " + maxModelLength,
                    limitName);
        }
        if (minTokens > limit) {
            throw ApiException.invalid(
                    "min_tokens",
                    "'min_tokens' is " + minTokens + ", must be at most the " + limit + " tokens of the answer");
        }
        return sampling.withMaxTokens(limit);
    }

    private static ApiException tooLong(String message, String param) {
        return new ApiException(400, message, param, "context_length_exceeded", 0);
    }

    /** The same with other stop strings. */
    GenerationSpec withStops(List<String> strings) {
        return new GenerationSpec(
                sampling,
                maxTokens,
                limitName,
                n,
                strings,
                includeStop,
                skipSpecialTokens,
                stopIds,
                namedStopIds,
                minTokens,
                stream,
                includeUsage,
                continuousUsage,
                logprobs,
                promptLogprobs,
                returnTokenIds,
                tokensAsIds,
                echo,
                echoOnly,
                priority,
                cacheSalt,
                answer);
    }
}
