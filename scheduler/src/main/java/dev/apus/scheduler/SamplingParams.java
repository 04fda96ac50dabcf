package dev.apus.scheduler;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How the tokens of a request are chosen; names and meanings are vLLM's. Made by hand or by {@link SamplingParamsBuilder}.
 *
 * @param temperature 0 means greedy
 * @param topK keep the k likeliest; 0 means all
 * @param topP in (0, 1]
 * @param minP in [0, 1]
 * @param repetitionPenalty &gt; 0; 1 means none
 * @param presencePenalty in [-2, 2]
 * @param frequencyPenalty in [-2, 2]
 * @param seed the request's generator; the front end draws one when the client gave none
 * @param maxTokens most tokens to generate, at least 1
 * @param minTokens stop ids are banned before this many tokens
 * @param ignoreEos go on past end-of-sequence ids
 * @param stopTokenIds further ids that end the request
 * @param logitBias id to bias; negative infinity bans
 * @param allowedTokenIds only these may be drawn; empty means all
 * @param logprobs -1 none, 0 the drawn token only, k its k likeliest too
 * @param promptLogprobs the same for the prompt's tokens
 * @param logprobTokenIds ids to tell the log-probabilities of, in place of the likeliest; empty means these
 * @param badWords token ids that may not follow one another in the output, most of them one or two
 * @param thinkingBudget how many tokens the model may think, or null for as many as it likes
 */
public record SamplingParams(
        float temperature,
        int topK,
        float topP,
        float minP,
        float repetitionPenalty,
        float presencePenalty,
        float frequencyPenalty,
        long seed,
        int maxTokens,
        int minTokens,
        boolean ignoreEos,
        Set<Integer> stopTokenIds,
        Map<Integer, Float> logitBias,
        List<Integer> allowedTokenIds,
        int logprobs,
        int promptLogprobs,
        List<Integer> logprobTokenIds,
        List<List<Integer>> badWords,
        @Nullable ThinkingBudget thinkingBudget) {

    public SamplingParams {
        stopTokenIds = Set.copyOf(stopTokenIds);
        logitBias = Map.copyOf(logitBias);
        allowedTokenIds = List.copyOf(allowedTokenIds);
        logprobTokenIds = List.copyOf(logprobTokenIds);
        badWords = badWords.stream().map(List::copyOf).toList();
        require(Float.isFinite(temperature) && temperature >= 0, "temperature", temperature, "0 or more");
        require(topK >= 0, "top_k", topK, "0 (all) or more");
        require(topP > 0 && topP <= 1, "top_p", topP, "in (0, 1]");
        require(minP >= 0 && minP <= 1, "min_p", minP, "in [0, 1]");
        require(
                Float.isFinite(repetitionPenalty) && repetitionPenalty > 0,
                "repetition_penalty",
                repetitionPenalty,
                "above 0");
        require(presencePenalty >= -2 && presencePenalty <= 2, "presence_penalty", presencePenalty, "in [-2, 2]");
        require(frequencyPenalty >= -2 && frequencyPenalty <= 2, "frequency_penalty", frequencyPenalty, "in [-2, 2]");
        require(maxTokens >= 1, "max_tokens", maxTokens, "1 or more");
        require(minTokens >= 0 && minTokens <= maxTokens, "min_tokens", minTokens, "in [0, max_tokens]");
        for (Map.Entry<Integer, Float> bias : logitBias.entrySet()) {
            require(
                    bias.getValue() < Float.POSITIVE_INFINITY,
                    "logit_bias of token " + bias.getKey(),
                    bias.getValue(),
                    "a number below infinity");
        }
        require(logprobs >= -1, "logprobs", logprobs, "-1 (none) or more");
        require(promptLogprobs >= -1, "prompt_logprobs", promptLogprobs, "-1 (none) or more");
        require(
                logprobTokenIds.isEmpty() || logprobs == logprobTokenIds.size(),
                "logprobs",
                logprobs,
                "the number of logprob_token_ids (" + logprobTokenIds.size() + ")");
        for (List<Integer> word : badWords) {
            require(!word.isEmpty(), "a bad word", word, "one token or more");
        }
    }

    /** Parameters without what few requests ask for. */
    public SamplingParams(
            float temperature,
            int topK,
            float topP,
            float minP,
            float repetitionPenalty,
            float presencePenalty,
            float frequencyPenalty,
            long seed,
            int maxTokens,
            int minTokens,
            boolean ignoreEos,
            Set<Integer> stopTokenIds,
            Map<Integer, Float> logitBias,
            List<Integer> allowedTokenIds,
            int logprobs,
            int promptLogprobs) {
        this(
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                maxTokens,
                minTokens,
                ignoreEos,
                stopTokenIds,
                logitBias,
                allowedTokenIds,
                logprobs,
                promptLogprobs,
                List.of(),
                List.of(),
                null);
    }

    /** Greedy decoding of at most {@code maxTokens} tokens. */
    public static SamplingParams greedy(int maxTokens) {
        return new SamplingParams(0, 0, 1, 0, 1, 0, 0, 0, maxTokens, 0, false, Set.of(), Map.of(), List.of(), -1, -1);
    }

    /** The same with another seed. */
    public SamplingParams withSeed(long newSeed) {
        return new SamplingParamsBuilder(this).seed(newSeed).build();
    }

    /** The same with another limit of tokens. */
    public SamplingParams withMaxTokens(int newMaxTokens) {
        return new SamplingParamsBuilder(this).maxTokens(newMaxTokens).build();
    }

    /** Whether a repetition, presence or frequency penalty applies. */
    public boolean hasPenalties() {
        return repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0;
    }

    private static void require(boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", must be " + allowed);
        }
    }
}
