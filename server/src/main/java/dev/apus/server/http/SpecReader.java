package dev.apus.server.http;

import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.SamplingParamsBuilder;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.ThinkingBudget;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Reads the parameters that chat and text completions share, checks them, and refuses by name what the server cannot do. */
final class SpecReader {
    /** Choices of a prompt: vLLM allows thousands, with which one request can fill the queue. */
    private static final int MOST_CHOICES = 128;

    private static final int MOST_STOPS = 16;
    private static final int MOST_STOP_LENGTH = 1024;
    /** As in vLLM's max_logprobs. */
    static final int MOST_LOGPROBS = 20;

    private static final int MOST_SALT_LENGTH = 1024;
    private static final int COMPLETION_TOKENS = 16;

    /** Longer patterns are no circles; each token is compared with as many. */
    private static final int MOST_PATTERN = 1024;

    private static final int MOST_INTERVAL = 1024;

    private final ServedModel model;
    private final @Nullable ReasoningFormat reasoning;

    SpecReader(ServedModel model, ApiOptions options) {
        this.model = model;
        reasoning = ReasoningFormat.of(options.reasoningParser(), model.tokenizer());
    }

    /** Of a chat: {@code logprobs} is a switch and {@code max_tokens} may be called {@code max_completion_tokens}. */
    GenerationSpec chat(Fields fields) {
        refuseCommon(fields);
        fields.refuse("answers are text", "audio", "web_search_options");
        fields.refuse(
                "it was replaced by tools, whose calls this server cannot parse yet", "functions", "function_call");
        fields.refuseIfTrue("use continue_final_message", "echo");
        checkModalities(fields);
        if (fields.has("best_of")
                && fields.integer("best_of", 1, 1, MOST_CHOICES) != fields.integer("n", 1, 1, MOST_CHOICES)) {
            throw ApiException.unsupported("best_of", "'best_of' other than 'n' exists in /v1/completions only");
        }
        boolean logprobs = fields.bool("logprobs", false);
        int top = fields.integer("top_logprobs", 0, 0, MOST_LOGPROBS);
        if (top > 0 && !logprobs) {
            throw ApiException.invalid("top_logprobs", "'top_logprobs' needs 'logprobs' to be true");
        }
        Integer longer = maxTokens(fields, "max_completion_tokens", 1);
        Integer maxTokens = maxTokens(fields, "max_tokens", 1);
        return longer != null
                ? read(fields, longer, "max_completion_tokens", logprobs ? top : -1, reasoning, false, false)
                : read(fields, maxTokens, "max_tokens", logprobs ? top : -1, reasoning, false, false);
    }

    /** Of a text completion: {@code logprobs} is a number and {@code max_tokens} is 16 unless given. */
    GenerationSpec completion(Fields fields) {
        refuseCommon(fields);
        fields.refuse("the models served do not fill in the middle", "suffix");
        fields.refuse("prompts are text or token ids", "prompt_embeds");
        boolean echo = fields.bool("echo", false);
        Integer given = maxTokens(fields, "max_tokens", echo ? 0 : 1);
        boolean echoOnly = given != null && given == 0;
        int maxTokens = given == null ? COMPLETION_TOKENS : Math.max(1, given);
        int logprobs = fields.integer("logprobs", -1, 0, MOST_LOGPROBS);
        return read(fields, maxTokens, "max_tokens", logprobs, null, echo, echoOnly);
    }

    /** Of Anthropic's Messages API: one choice, which ends at {@code stop_sequences}; {@code max_tokens} must be there. */
    GenerationSpec messages(Fields fields) {
        refuseCommon(fields);
        fields.refuse("use stop_sequences", "stop");
        fields.refuse("this API has no place for it", "stream_options");
        refuseOthersParameters(fields);
        Integer maxTokens = maxTokens(fields, "max_tokens", 1);
        return read(fields, maxTokens, "max_tokens", -1, reasoning, false, false)
                .withStops(stops(fields, "stop_sequences"));
    }

    /**
     * Of OpenAI's Responses API: one choice.
     *
     * @param logprobs likeliest tokens to tell per token, or -1
     */
    GenerationSpec responses(Fields fields, int logprobs) {
        refuseCommon(fields);
        // Responses are kept, as asked.
        fields.notIdle("store");
        refuseOthersParameters(fields);
        Integer maxTokens = maxTokens(fields, "max_output_tokens", 1);
        return read(fields, maxTokens, "max_output_tokens", logprobs, reasoning, false, false);
    }

    /** Whether the model's thoughts are told from its answers. */
    boolean tellsThoughts() {
        return reasoning != null;
    }

    /** What other APIs have and an answer of this one has no place for. */
    private static void refuseOthersParameters(Fields fields) {
        fields.refuse(
                "this API has no place for it, /v1/chat/completions has",
                "n",
                "best_of",
                "echo",
                "prompt_logprobs",
                "return_token_ids",
                "return_tokens_as_token_ids");
    }

    private GenerationSpec read(
            Fields fields,
            @Nullable Integer maxTokens,
            String limitName,
            int logprobs,
            @Nullable ReasoningFormat format,
            boolean echo,
            boolean echoOnly) {
        int n = fields.integer("n", 1, 1, MOST_CHOICES);
        boolean stream = fields.bool("stream", false);
        AnswerOptions answer = answerOptions(fields, format, n, stream);
        int promptLogprobs = fields.integer("prompt_logprobs", -1, 0, MOST_LOGPROBS);
        if (stream && promptLogprobs >= 0) {
            throw ApiException.invalid("prompt_logprobs", "'prompt_logprobs' cannot be streamed, leave out 'stream'");
        }
        Fields streaming = streamOptions(fields, stream);
        List<String> stops = stops(fields, "stop");
        int minTokens = fields.integer("min_tokens", 0, 0, Integer.MAX_VALUE);
        boolean ignoreEos = fields.bool("ignore_eos", false);
        Set<Integer> named = Set.copyOf(fields.integers("stop_token_ids", 0, Integer.MAX_VALUE, Fields.MOST_ENTRIES));
        Set<Integer> stopIds = new HashSet<>(named);
        if (!ignoreEos) {
            stopIds.addAll(model.eosIds());
        }
        List<Integer> allowed = fields.integers("allowed_token_ids", 0, model.vocabSize() - 1, model.vocabSize());
        if (minTokens > 0 && !allowed.isEmpty() && stopIds.containsAll(allowed)) {
            throw ApiException.invalid(
                    "allowed_token_ids",
                    "'allowed_token_ids' holds only ids that end the answer, of which none may come before the "
                            + minTokens + " tokens of 'min_tokens'; allow others or leave out 'min_tokens'");
        }
        SamplingParamsBuilder sampling = sampling(fields)
                .maxTokens(Integer.MAX_VALUE)
                .minTokens(minTokens)
                .allowedTokenIds(allowed)
                .ignoreEos(ignoreEos)
                .stopTokenIds(named)
                .badWords(BadWords.read(fields, model.tokenizer()))
                .thinkingBudget(thinkingBudget(fields, format))
                // The likeliest of several is found by the log-probabilities of its tokens.
                .logprobs(answer.bestOf() > n ? Math.max(0, logprobs) : logprobs)
                .promptLogprobs(Math.max(promptLogprobs, echo ? logprobs : -1));
        List<Integer> told = logprobTokenIds(fields, logprobs);
        if (!told.isEmpty()) {
            sampling.logprobTokenIds(told);
        }
        return new GenerationSpec(
                build(sampling),
                maxTokens,
                limitName,
                n,
                stops,
                fields.bool("include_stop_str_in_output", false),
                fields.bool("skip_special_tokens", true),
                Set.copyOf(stopIds),
                named,
                minTokens,
                stream,
                streaming != null && streaming.bool("include_usage", false),
                streaming != null && streaming.bool("continuous_usage_stats", false),
                logprobs,
                promptLogprobs,
                fields.bool("return_token_ids", false),
                fields.bool("return_tokens_as_token_ids", false),
                echo,
                echoOnly,
                fields.integer("priority", 0, Integer.MIN_VALUE, Integer.MAX_VALUE),
                salt(fields),
                answer);
    }

    /** Ids to tell of in place of the likeliest. */
    private List<Integer> logprobTokenIds(Fields fields, int logprobs) {
        List<Integer> ids = fields.integers("logprob_token_ids", 0, model.vocabSize() - 1, MOST_LOGPROBS);
        if (!ids.isEmpty() && logprobs < 0) {
            throw ApiException.invalid("logprob_token_ids", "'logprob_token_ids' needs 'logprobs'");
        }
        if (!ids.isEmpty() && logprobs > 0) {
            throw ApiException.invalid(
                    "logprob_token_ids",
                    "'logprob_token_ids' takes the place of the " + logprobs
                            + " likeliest tokens, ask for one of the two");
        }
        return ids;
    }

    /** Whether the prompt leaves the model in a thought is not known yet: see {@link GenerationSpec#withinThought}. */
    private @Nullable ThinkingBudget thinkingBudget(Fields fields, @Nullable ReasoningFormat format) {
        if (!fields.has("thinking_token_budget")) {
            return null;
        }
        int tokens = fields.integer("thinking_token_budget", 0, 0, Integer.MAX_VALUE);
        if (format == null) {
            throw ApiException.unsupported(
                    "thinking_token_budget",
                    "'thinking_token_budget' is not supported here: it needs a chat with a model whose thoughts are told apart"
                            + " (--reasoning-parser)");
        }
        return new ThinkingBudget(tokens, ids(format.start()), ids(format.end()), false);
    }

    private List<Integer> ids(String tag) {
        return Arrays.stream(model.tokenizer().encode(tag, false, true)).boxed().toList();
    }

    private static AnswerOptions answerOptions(Fields fields, @Nullable ReasoningFormat format, int n, boolean stream) {
        int bestOf = fields.integer("best_of", n, n, MOST_CHOICES);
        if (bestOf > n && stream) {
            throw ApiException.invalid("best_of", "'best_of' above 'n' cannot be streamed, leave out 'stream'");
        }
        int interval = fields.integer("stream_interval", 1, 1, MOST_INTERVAL);
        boolean include = fields.bool("include_reasoning", true);
        return new AnswerOptions(format, false, include, interval, repetition(fields), bestOf);
    }

    private static RepetitionDetector.@Nullable Limits repetition(Fields fields) {
        Fields limits = fields.object("repetition_detection");
        if (limits == null) {
            return null;
        }
        int most = limits.integer("max_pattern_size", 0, 0, MOST_PATTERN);
        int least = Math.max(1, limits.integer("min_pattern_size", 0, 0, MOST_PATTERN));
        int count = limits.integer("min_count", 0, 0, Integer.MAX_VALUE);
        if (least > most && most > 0) {
            throw ApiException.invalid(
                    "repetition_detection.min_pattern_size",
                    "'repetition_detection.min_pattern_size' is " + least + ", must be at most the " + most
                            + " of 'max_pattern_size'");
        }
        // As in vLLM, zeros mean that nothing is looked for.
        return most == 0 || count < 2 ? null : new RepetitionDetector.Limits(least, most, count);
    }

    /** The model's own defaults may be out of range, too. */
    private static SamplingParams build(SamplingParamsBuilder sampling) {
        try {
            return sampling.build();
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest(String.valueOf(e.getMessage()));
        }
    }

    private static @Nullable Fields streamOptions(Fields fields, boolean stream) {
        Fields options = fields.object("stream_options");
        if (options != null && !stream) {
            throw ApiException.invalid("stream_options", "'stream_options' needs 'stream' to be true");
        }
        if (options != null && options.bool("include_obfuscation", false)) {
            options.idle("include_obfuscation");
        }
        return options;
    }

    private SamplingParamsBuilder sampling(Fields fields) {
        SamplingParamsBuilder builder = new SamplingParamsBuilder().defaults(model.generationDefaults());
        Double temperature = fields.number("temperature", 0, 100);
        Double topP = fields.number("top_p", Float.MIN_NORMAL, 1, "above 0, at most 1");
        Double minP = fields.number("min_p", 0, 1);
        Double repetition = fields.number("repetition_penalty", 0.01, 100);
        Double presence = fields.number("presence_penalty", -2, 2);
        Double frequency = fields.number("frequency_penalty", -2, 2);
        if (temperature != null) {
            builder.temperature(temperature);
        }
        if (topP != null) {
            builder.topP(topP);
        }
        if (minP != null) {
            builder.minP(minP);
        }
        if (repetition != null) {
            builder.repetitionPenalty(repetition);
        }
        if (presence != null) {
            builder.presencePenalty(presence);
        }
        if (frequency != null) {
            builder.frequencyPenalty(frequency);
        }
        if (fields.has("top_k")) {
            // -1 means all in vLLM's API, 0 in the engine's.
            builder.topK(Math.max(0, fields.integer("top_k", 0, -1, Integer.MAX_VALUE)));
        }
        return builder.seed(
                        fields.has("seed")
                                ? fields.integer64("seed", 0)
                                : model.seeds().next())
                .logitBias(logitBias(fields));
    }

    private Map<Integer, Float> logitBias(Fields fields) {
        ObjectNode object = fields.objectNode("logit_bias");
        if (object == null) {
            return Map.of();
        }
        Fields.checkSize("logit_bias", object.size(), Fields.MOST_ENTRIES);
        Map<Integer, Float> biases = new HashMap<>();
        object.forEachEntry((name, value) -> biases.put(tokenId(name), bias(name, value)));
        return biases;
    }

    private int tokenId(String name) {
        try {
            int id = Integer.parseInt(name);
            if (id >= 0 && id < model.vocabSize()) {
                return id;
            }
        } catch (NumberFormatException e) {
            // Refused below with ids out of range.
        }
        String shown = name.length() <= 20 ? name : name.substring(0, 20) + "...";
        throw ApiException.invalid(
                "logit_bias", "'logit_bias' has the key '" + shown + "', ids are 0 to " + (model.vocabSize() - 1));
    }

    private static float bias(String name, JsonNode value) {
        if (!value.isNumber() || !(Math.abs(value.doubleValue()) <= 100)) {
            throw Fields.outOfRange("logit_bias." + name, value, "a number from -100 to 100");
        }
        return value.floatValue();
    }

    private static List<String> stops(Fields fields, String name) {
        List<String> stops = fields.strings(name, MOST_STOPS);
        for (String stop : stops) {
            if (stop.isEmpty() || stop.length() > MOST_STOP_LENGTH) {
                throw ApiException.invalid(
                        name,
                        "a string of '" + name + "' has " + stop.length() + " characters, must have 1 to "
                                + MOST_STOP_LENGTH);
            }
        }
        return stops;
    }

    private static String salt(Fields fields) {
        String salt = fields.string("cache_salt");
        if (salt == null) {
            return "";
        }
        if (salt.isEmpty() || salt.length() > MOST_SALT_LENGTH) {
            throw ApiException.invalid(
                    "cache_salt",
                    "'cache_salt' has " + salt.length() + " characters, must have 1 to " + MOST_SALT_LENGTH);
        }
        return salt;
    }

    private static @Nullable Integer maxTokens(Fields fields, String name, int least) {
        return fields.has(name) ? (Integer) fields.integer(name, 0, least, Integer.MAX_VALUE) : null;
    }

    private static void checkModalities(Fields fields) {
        for (String modality : fields.strings("modalities", 8)) {
            if (!modality.equals("text")) {
                throw ApiException.unsupported("modalities", "'modalities' other than \"text\" are not supported");
            }
        }
    }

    private static void refuseCommon(Fields fields) {
        Fields format = fields.object("response_format");
        if (format != null) {
            String type = format.requiredString("type");
            if (!type.equals("text")) {
                throw ApiException.unsupported(
                        "response_format", "'response_format' other than {\"type\":\"text\"} is not supported yet");
            }
        }
        fields.refuse(
                "constrained answers do not exist yet",
                "structured_outputs",
                "guided_json",
                "guided_regex",
                "guided_choice",
                "guided_grammar",
                "guided_json_object",
                "structural_tag");
        fields.refuse("a request cannot bring code; use logit_bias or allowed_token_ids", "logits_processors");
        fields.refuse("key-value transfer does not exist yet", "kv_transfer_params");
        fields.refuseIfTrue("beam search does not exist here", "use_beam_search");
        checkIdle(fields);
    }

    /**
     * Checks parameters that leave the tokens of an answer as they are. Those that describe the request are taken in silence; those that
     * ask for something which is not done here are noted, so that the answer's warning names them. OpenAI and vLLM answer such requests.
     */
    private static void checkIdle(Fields fields) {
        fields.string("user");
        fields.string("safety_identifier");
        fields.string("prompt_cache_key");
        fields.objectNode("metadata");
        // Holds in any case: an answer has no tool calls.
        fields.bool("parallel_tool_calls", true);
        // Without beam search it has no effect in vLLM either.
        Double lengthPenalty = fields.number("length_penalty", -Float.MAX_VALUE, Float.MAX_VALUE, "a finite number");
        idleIf(fields, "length_penalty", lengthPenalty != null && lengthPenalty != 1);
        // OpenAI's predicted output: it would save time and change nothing else.
        idleIf(fields, "prediction", fields.objectNode("prediction") != null);
        idleIf(fields, "store", fields.bool("store", false));
        idleIf(fields, "spaces_between_special_tokens", !fields.bool("spaces_between_special_tokens", true));
        idleUnless(fields, "service_tier", "auto", "default");
        idleUnless(fields, "prompt_cache_retention", "in_memory", "in-memory");
        idleUnless(fields, "verbosity", "medium");
    }

    private static void idleUnless(Fields fields, String name, String... defaults) {
        String value = fields.string(name);
        idleIf(fields, name, value != null && !List.of(defaults).contains(value));
    }

    private static void idleIf(Fields fields, String name, boolean idle) {
        if (idle) {
            fields.idle(name);
        }
    }
}
