package dev.apus.scheduler;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A request on its way into the engine, checked, with its parameters in the form in which the sampler reads them. Made on the caller's
 * thread, so that the engine's has only to copy references.
 */
final class Submission implements Command {
    final Request request;
    final Consumer<EngineEvent> listener;
    final Progress progress = new Progress();
    /** Ids that end the request, ascending. */
    final int[] stopIds;

    final int @Nullable [] biasId;
    final float @Nullable [] biasValue;
    final long @Nullable [] allowed;
    final int @Nullable [] logprobIds;
    /** Ids that may never be drawn: bad words of one token. */
    final int @Nullable [] banned;
    /** These and the stop ids, which may not be drawn before min_tokens. */
    final int @Nullable [] bannedAtFirst;

    final @Nullable TokenRules rules;

    /** What {@link AdmissionControl} keeps of it: set before it is submitted, then the engine thread's. */
    @Nullable
    TenantLoad load;

    /** Tokens of its prompt that are to be computed. */
    int queuedTokens;
    /** Whether its computation has begun. */
    boolean begun;
    /** When it came, by the engine's clock, and how long its computation was to take to begin; 0 if nothing was predicted. */
    long submittedNanos;

    double predictedWaitNanos;

    /**
     * @throws IllegalArgumentException if the request can never run
     */
    Submission(
            Request request, Consumer<EngineEvent> listener, int vocabSize, int maxModelLength, List<Integer> eosIds) {
        this.request = request;
        this.listener = listener;
        SamplingParams params = request.params();
        checkPrompt(request.prompt(), vocabSize, maxModelLength);
        checkIds("logit_bias", params.logitBias().keySet(), vocabSize);
        checkIds("allowed_token_ids", params.allowedTokenIds(), vocabSize);
        Set<Integer> stops = new TreeSet<>(params.stopTokenIds());
        if (!params.ignoreEos()) {
            stops.addAll(eosIds);
        }
        stops.removeIf(id -> id < 0 || id >= vocabSize);
        stopIds = stops.stream().mapToInt(Integer::intValue).toArray();
        if (params.logitBias().isEmpty()) {
            biasId = null;
            biasValue = null;
        } else {
            int count = params.logitBias().size();
            biasId = new int[count];
            biasValue = new float[count];
            int i = 0;
            for (Map.Entry<Integer, Float> bias : params.logitBias().entrySet()) {
                biasId[i] = bias.getKey();
                biasValue[i++] = bias.getValue();
            }
        }
        allowed = params.allowedTokenIds().isEmpty() ? null : bits(params.allowedTokenIds(), vocabSize);
        checkIds("logprob_token_ids", params.logprobTokenIds(), vocabSize);
        logprobIds = params.logprobTokenIds().isEmpty() ? null : ints(params.logprobTokenIds());
        params.badWords().forEach(word -> checkIds("bad_words", word, vocabSize));
        List<Integer> bad = params.badWords().stream()
                .filter(word -> word.size() == 1)
                .map(List::getFirst)
                .toList();
        banned = bad.isEmpty() ? null : ints(bad);
        bannedAtFirst = banned == null ? stopIds : join(stopIds, banned);
        checkThought(params, vocabSize);
        rules = TokenRules.of(params, vocabSize);
    }

    private static void checkThought(SamplingParams params, int vocabSize) {
        ThinkingBudget budget = params.thinkingBudget();
        if (budget != null) {
            checkIds("thinking_token_budget", budget.start(), vocabSize);
            checkIds("thinking_token_budget", budget.end(), vocabSize);
        }
    }

    private static int[] ints(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static int[] join(int[] first, int[] second) {
        int[] all = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }

    boolean stopsAt(int id) {
        return Arrays.binarySearch(stopIds, id) >= 0;
    }

    private static void checkPrompt(int[] prompt, int vocabSize, int maxModelLength) {
        if (prompt.length >= maxModelLength) {
            throw new IllegalArgumentException("the prompt has " + prompt.length + " tokens, at most "
                    + (maxModelLength - 1) + " fit the maximum model length of " + maxModelLength
                    + " with one token to generate; shorten it or start with a larger --max-model-len");
        }
        for (int i = 0; i < prompt.length; i++) {
            if (prompt[i] < 0 || prompt[i] >= vocabSize) {
                throw new IllegalArgumentException(
                        "prompt token " + i + " is " + prompt[i] + ", ids are 0 to " + (vocabSize - 1));
            }
        }
    }

    private static void checkIds(String name, Iterable<Integer> ids, int vocabSize) {
        for (int id : ids) {
            if (id < 0 || id >= vocabSize) {
                throw new IllegalArgumentException(name + " names token " + id + ", ids are 0 to " + (vocabSize - 1));
            }
        }
    }

    private static long[] bits(List<Integer> ids, int vocabSize) {
        long[] bits = new long[(vocabSize + 63) / 64];
        for (int id : ids) {
            bits[id >> 6] |= 1L << id;
        }
        return bits;
    }
}
