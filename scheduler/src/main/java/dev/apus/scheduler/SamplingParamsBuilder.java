package dev.apus.scheduler;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes {@link SamplingParams} from what is known of a request, over a model's defaults. Setters return this; the values are checked by
 * {@link #build}.
 */
public final class SamplingParamsBuilder {
    /** Most tokens of an answer where neither the request nor the model says: the context length ends it before. */
    private static final int NO_LIMIT = Integer.MAX_VALUE;

    private float temperature = 1;
    private int topK;
    private float topP = 1;
    private float minP;
    private float repetitionPenalty = 1;
    private float presencePenalty;
    private float frequencyPenalty;
    private long seed;
    private int maxTokens = NO_LIMIT;
    private int minTokens;
    private boolean ignoreEos;
    private Set<Integer> stopTokenIds = Set.of();
    private Map<Integer, Float> logitBias = Map.of();
    private List<Integer> allowedTokenIds = List.of();
    private int logprobs = -1;
    private int promptLogprobs = -1;
    private List<Integer> logprobTokenIds = List.of();
    private List<List<Integer>> badWords = List.of();
    private @Nullable ThinkingBudget thinkingBudget;

    public SamplingParamsBuilder() {}

    /** Begins with other parameters. */
    public SamplingParamsBuilder(SamplingParams params) {
        temperature = params.temperature();
        topK = params.topK();
        topP = params.topP();
        minP = params.minP();
        repetitionPenalty = params.repetitionPenalty();
        presencePenalty = params.presencePenalty();
        frequencyPenalty = params.frequencyPenalty();
        seed = params.seed();
        maxTokens = params.maxTokens();
        minTokens = params.minTokens();
        ignoreEos = params.ignoreEos();
        stopTokenIds = params.stopTokenIds();
        logitBias = params.logitBias();
        allowedTokenIds = params.allowedTokenIds();
        logprobs = params.logprobs();
        promptLogprobs = params.promptLogprobs();
        logprobTokenIds = params.logprobTokenIds();
        badWords = params.badWords();
        thinkingBudget = params.thinkingBudget();
    }

    /** Takes over a model's defaults, by vLLM's parameter names; names that do not sample are left out. */
    public SamplingParamsBuilder defaults(Map<String, Double> defaults) {
        defaults.forEach((name, value) -> {
            switch (name) {
                case "temperature" -> temperature = value.floatValue();
                case "top_k" -> topK = Math.max(0, value.intValue());
                case "top_p" -> topP = value.floatValue();
                case "min_p" -> minP = value.floatValue();
                case "repetition_penalty" -> repetitionPenalty = value.floatValue();
                case "max_tokens", "max_new_tokens" -> maxTokens = value.intValue();
                default -> {
                    // Not a sampling parameter.
                }
            }
        });
        return this;
    }

    public SamplingParamsBuilder temperature(double value) {
        temperature = (float) value;
        return this;
    }

    public SamplingParamsBuilder topK(int value) {
        topK = value;
        return this;
    }

    public SamplingParamsBuilder topP(double value) {
        topP = (float) value;
        return this;
    }

    public SamplingParamsBuilder minP(double value) {
        minP = (float) value;
        return this;
    }

    public SamplingParamsBuilder repetitionPenalty(double value) {
        repetitionPenalty = (float) value;
        return this;
    }

    public SamplingParamsBuilder presencePenalty(double value) {
        presencePenalty = (float) value;
        return this;
    }

    public SamplingParamsBuilder frequencyPenalty(double value) {
        frequencyPenalty = (float) value;
        return this;
    }

    public SamplingParamsBuilder seed(long value) {
        seed = value;
        return this;
    }

    public SamplingParamsBuilder maxTokens(int value) {
        maxTokens = value;
        return this;
    }

    public SamplingParamsBuilder minTokens(int value) {
        minTokens = value;
        return this;
    }

    public SamplingParamsBuilder ignoreEos(boolean value) {
        ignoreEos = value;
        return this;
    }

    public SamplingParamsBuilder stopTokenIds(Set<Integer> value) {
        stopTokenIds = value;
        return this;
    }

    public SamplingParamsBuilder logitBias(Map<Integer, Float> value) {
        logitBias = value;
        return this;
    }

    public SamplingParamsBuilder allowedTokenIds(List<Integer> value) {
        allowedTokenIds = value;
        return this;
    }

    public SamplingParamsBuilder logprobs(int value) {
        logprobs = value;
        return this;
    }

    public SamplingParamsBuilder promptLogprobs(int value) {
        promptLogprobs = value;
        return this;
    }

    /** Sets {@link #logprobs} as well. */
    public SamplingParamsBuilder logprobTokenIds(List<Integer> value) {
        logprobTokenIds = value;
        logprobs = value.size();
        return this;
    }

    public SamplingParamsBuilder badWords(List<List<Integer>> value) {
        badWords = value;
        return this;
    }

    public SamplingParamsBuilder thinkingBudget(@Nullable ThinkingBudget value) {
        thinkingBudget = value;
        return this;
    }

    /**
     * @throws IllegalArgumentException naming the parameter that is out of its range
     */
    public SamplingParams build() {
        return new SamplingParams(
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
                logprobTokenIds,
                badWords,
                thinkingBudget);
    }
}
