package dev.apus.server.grpc;

import dev.apus.proto.vllm.EmbedRequest;
import dev.apus.proto.vllm.GenerateRequest;
import dev.apus.proto.vllm.SamplingParams;
import dev.apus.server.http.ApiException;
import dev.apus.server.http.CallSession;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Requests of vLLM's protocol as parameters of {@code /v1/completions}. A field without presence means its default where it is zero. */
final class VllmParameters {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private VllmParameters() {}

    /**
     * The request's parameters; its text is encoded, because the answer may be as long as the prompt leaves room.
     *
     * @param maxModelLength most tokens of a prompt and its answer
     * @throws ApiException if it asks for what this server cannot do
     */
    static ObjectNode of(GenerateRequest request, CallSession session, int maxModelLength) {
        if (request.hasMmInputs()) {
            throw ApiException.unsupported("mm_inputs", "'mm_inputs' is not supported: this server takes text only");
        }
        if (request.getDataParallelRank() != 0) {
            throw ApiException.invalid(
                    "data_parallel_rank",
                    "'data_parallel_rank' is " + request.getDataParallelRank() + ", this server has the rank 0 only");
        }
        ObjectNode parameters = JSON.objectNode();
        ArrayNode prompt = prompt(request, session);
        int room = maxModelLength - prompt.size();
        parameters.set("prompt", prompt);
        parameters.put("stream", request.getStream()).put("return_token_ids", true);
        if (request.hasKvTransferParams() || request.hasKvTransferParamsJson()) {
            // Refused by name until it exists.
            parameters.putObject("kv_transfer_params").put("remote", true);
        }
        SamplingParams sampling = request.getSamplingParams();
        sampling(parameters, sampling);
        if (!sampling.hasMaxTokens() && room > 0) {
            parameters.put("max_tokens", room);
        }
        return parameters;
    }

    /** The parameters of {@code /v1/embeddings}. */
    static ObjectNode of(EmbedRequest request, CallSession session) {
        ObjectNode parameters = JSON.objectNode();
        parameters.putArray("input").add(Parameters.ids(request.getTokenized().getInputIdsList(), session));
        return parameters;
    }

    private static ArrayNode prompt(GenerateRequest request, CallSession session) {
        return switch (request.getInputCase()) {
            case TOKENIZED -> Parameters.ids(request.getTokenized().getInputIdsList(), session);
            case TEXT -> {
                int[] ids = session.tokenize(JSON.objectNode().put("prompt", request.getText()));
                session.takeIds(ids.length);
                ArrayNode list = JSON.arrayNode(ids.length);
                for (int id : ids) {
                    list.add(id);
                }
                yield list;
            }
            case INPUT_NOT_SET ->
                throw ApiException.invalid("input", "'tokenized' or 'text' is missing, one of them is required");
        };
    }

    private static void sampling(ObjectNode to, SamplingParams from) {
        if (from.hasTemperature()) {
            to.put("temperature", from.getTemperature());
        }
        unlessZero(to, "top_p", from.getTopP());
        unlessZero(to, "min_p", from.getMinP());
        unlessZero(to, "frequency_penalty", from.getFrequencyPenalty());
        unlessZero(to, "presence_penalty", from.getPresencePenalty());
        unlessZero(to, "repetition_penalty", from.getRepetitionPenalty());
        unlessZero(to, "top_k", from.getTopK());
        unlessZero(to, "min_tokens", from.getMinTokens());
        unlessZero(to, "n", from.getN());
        if (from.hasMaxTokens()) {
            to.put("max_tokens", Integer.toUnsignedLong(from.getMaxTokens()));
        }
        if (from.hasSeed()) {
            to.put("seed", from.getSeed());
        }
        if (from.hasLogprobs()) {
            to.put("logprobs", from.getLogprobs());
        }
        if (from.hasPromptLogprobs()) {
            to.put("prompt_logprobs", from.getPromptLogprobs());
        }
        if (from.hasTruncatePromptTokens()) {
            to.put("truncate_prompt_tokens", from.getTruncatePromptTokens());
        }
        to.put("skip_special_tokens", from.getSkipSpecialTokens());
        to.put("ignore_eos", from.getIgnoreEos());
        to.put("include_stop_str_in_output", from.getIncludeStopStrInOutput());
        lists(to, from);
        constraint(to, from);
    }

    private static void lists(ObjectNode to, SamplingParams from) {
        ArrayNode stops = to.putArray("stop");
        from.getStopList().forEach(stops::add);
        ArrayNode ids = to.putArray("stop_token_ids");
        from.getStopTokenIdsList().forEach(id -> ids.add(Integer.toUnsignedLong(id)));
        if (from.getLogitBiasCount() > 0) {
            ObjectNode biases = to.putObject("logit_bias");
            from.getLogitBiasMap().forEach((id, bias) -> biases.put(Integer.toString(id), bias));
        }
    }

    private static void constraint(ObjectNode to, SamplingParams from) {
        switch (from.getConstraintCase()) {
            case JSON_SCHEMA -> structured(to).put("json", from.getJsonSchema());
            case REGEX -> structured(to).put("regex", from.getRegex());
            case GRAMMAR -> structured(to).put("grammar", from.getGrammar());
            case STRUCTURAL_TAG -> structured(to).put("structural_tag", from.getStructuralTag());
            case JSON_OBJECT -> structured(to).put("json_object", from.getJsonObject());
            case CHOICE -> {
                ArrayNode choices = structured(to).putArray("choice");
                List<String> given = from.getChoice().getChoicesList();
                given.forEach(choices::add);
            }
            case CONSTRAINT_NOT_SET -> {
                // Free text.
            }
        }
    }

    private static ObjectNode structured(ObjectNode to) {
        return to.putObject("structured_outputs");
    }

    private static void unlessZero(ObjectNode to, String name, float value) {
        if (value != 0) {
            to.put(name, value);
        }
    }

    private static void unlessZero(ObjectNode to, String name, int unsigned) {
        if (unsigned != 0) {
            to.put(name, Integer.toUnsignedLong(unsigned));
        }
    }
}
