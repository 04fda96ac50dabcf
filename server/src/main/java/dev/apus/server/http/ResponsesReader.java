package dev.apus.server.http;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Reads the parameters of OpenAI's Responses API besides the input. Thread-safe. */
final class ResponsesReader {
    private static final String LOGPROBS = "message.output_text.logprobs";
    /** Parts of tool calls, of which there are none here. */
    private static final List<String> EMPTY_INCLUDES = List.of(
            "file_search_call.results",
            "web_search_call.results",
            "web_search_call.action.sources",
            "message.input_image.image_url",
            "computer_call_output.output.image_url",
            "code_interpreter_call.outputs");
    /** OpenAI's bounds of metadata. */
    private static final int MOST_METADATA = 16;

    private static final int MOST_KEY = 64;
    private static final int MOST_VALUE = 512;

    private final SpecReader specs;
    private final String modelName;

    /**
     * What a request asks for besides its input.
     *
     * @param instructions the system text of this response alone, or null
     * @param previousId the response that it goes on with, or null
     * @param variables what the template is told besides messages
     * @param truncate whether the oldest messages may be left out to make room
     * @param store whether the response is kept
     * @param background whether it is made without the client
     * @param settings the parameters as the response repeats them: JSON members, each behind a comma
     */
    record Settings(
            GenerationSpec spec,
            @Nullable String instructions,
            @Nullable String previousId,
            Map<String, @Nullable Object> variables,
            boolean truncate,
            boolean store,
            boolean background,
            byte[] settings) {}

    ResponsesReader(SpecReader specs, String modelName) {
        this.specs = specs;
        this.modelName = modelName;
    }

    Settings read(Fields fields) {
        refuse(fields);
        int top = fields.integer("top_logprobs", 0, 0, SpecReader.MOST_LOGPROBS);
        boolean logprobs = includesLogprobs(fields);
        if (top > 0 && !logprobs) {
            throw ApiException.invalid("top_logprobs", "'top_logprobs' needs '" + LOGPROBS + "' in 'include'");
        }
        GenerationSpec spec = specs.responses(fields, logprobs ? top : -1);
        boolean store = fields.bool("store", true);
        boolean background = fields.bool("background", false);
        if (background && !store) {
            throw ApiException.invalid(
                    "background", "'background' needs 'store' to be true: the answer is asked for later");
        }
        Map<String, @Nullable Object> variables = new HashMap<>();
        Fields reasoning = fields.object("reasoning");
        String effort = reasoning == null ? null : reasoning.string("effort");
        ChatPrompts.addEffort("reasoning.effort", effort, variables);
        if (reasoning != null
                && (reasoning.string("summary") != null || reasoning.string("generate_summary") != null)) {
            // Thoughts are sent as they are.
            reasoning.idle("summary");
        }
        String instructions = fields.string("instructions");
        String previousId = fields.string("previous_response_id");
        boolean truncate = truncates(fields);
        byte[] settings = settings(fields, spec, effort, top, truncate, store, background);
        return new Settings(spec, instructions, previousId, variables, truncate, store, background, settings);
    }

    private static void refuse(Fields fields) {
        fields.refuse("this server cannot parse tool calls yet", "tools");
        JsonNode choice = fields.node("tool_choice");
        if (choice != null && !(choice.isString() && List.of("auto", "none").contains(choice.stringValue()))) {
            throw ApiException.invalid("tool_choice", "'tool_choice' needs 'tools', which are not supported yet");
        }
        fields.integer("max_tool_calls", 0, 0, Integer.MAX_VALUE);
        fields.refuse("conversations are not kept apart from responses, use previous_response_id", "conversation");
        fields.refuse("templates of prompts are not kept here, send the text as input", "prompt");
        fields.refuse("nothing is compacted; truncation leaves out the oldest messages", "context_management");
        Fields text = fields.object("text");
        Fields format = text == null ? null : text.object("format");
        if (format != null && !format.requiredString("type").equals("text")) {
            throw ApiException.unsupported(
                    "text.format", "'text.format' other than {\"type\":\"text\"} is not supported yet");
        }
        if (text != null && text.has("verbosity") && !"medium".equals(text.string("verbosity"))) {
            text.idle("verbosity");
        }
    }

    private static boolean includesLogprobs(Fields fields) {
        boolean logprobs = false;
        for (String include : fields.strings("include", MOST_METADATA)) {
            if (include.equals("reasoning.encrypted_content")) {
                throw ApiException.unsupported(
                        "include",
                        "'include' of \"reasoning.encrypted_content\" is not supported: thoughts are sent as text");
            }
            logprobs |= include.equals(LOGPROBS);
            if (!include.equals(LOGPROBS) && !EMPTY_INCLUDES.contains(include)) {
                throw ApiException.invalid(
                        "include", "'include' names something unknown, \"" + LOGPROBS + "\" is known");
            }
        }
        return logprobs;
    }

    private static boolean truncates(Fields fields) {
        String truncation = fields.string("truncation");
        if (truncation != null && !truncation.equals("auto") && !truncation.equals("disabled")) {
            throw ApiException.invalid("truncation", "'truncation' must be \"auto\" or \"disabled\"");
        }
        return "auto".equals(truncation);
    }

    private byte[] settings(
            Fields fields,
            GenerationSpec spec,
            @Nullable String effort,
            int top,
            boolean truncate,
            boolean store,
            boolean background) {
        JsonOut out = new JsonOut().raw(",\"background\":").raw(Boolean.toString(background));
        out.raw(",\"instructions\":").stringOrNull(fields.string("instructions"));
        Integer most = spec.maxTokens();
        out.raw(",\"max_output_tokens\":").raw(most == null ? "null" : most.toString());
        out.raw(",\"max_tool_calls\":null,\"metadata\":").raw(metadata(fields));
        out.raw(",\"model\":").string(modelName).raw(",\"parallel_tool_calls\":true,\"previous_response_id\":");
        out.stringOrNull(fields.string("previous_response_id"));
        out.raw(",\"prompt_cache_key\":").stringOrNull(fields.string("prompt_cache_key"));
        out.raw(",\"reasoning\":{\"effort\":").stringOrNull(effort).raw(",\"summary\":null}");
        out.raw(",\"safety_identifier\":").stringOrNull(fields.string("safety_identifier"));
        out.raw(",\"service_tier\":\"default\",\"store\":").raw(Boolean.toString(store));
        out.raw(",\"temperature\":").raw(Double.toString(spec.sampling().temperature()));
        out.raw(",\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],\"top_logprobs\":")
                .number(top);
        out.raw(",\"top_p\":").raw(Double.toString(spec.sampling().topP()));
        out.raw(",\"truncation\":").string(truncate ? "auto" : "disabled");
        return out.raw(",\"user\":").stringOrNull(fields.string("user")).toBytes();
    }

    private static byte[] metadata(Fields fields) {
        ObjectNode metadata = fields.objectNode("metadata");
        if (metadata == null) {
            return "{}".getBytes(StandardCharsets.US_ASCII);
        }
        Fields.checkSize("metadata", metadata.size(), MOST_METADATA);
        JsonOut out = new JsonOut().raw("{");
        metadata.forEachEntry((name, value) -> {
            if (name.length() > MOST_KEY
                    || !value.isString()
                    || value.stringValue().length() > MOST_VALUE) {
                throw ApiException.invalid(
                        "metadata",
                        "'metadata' must have keys of at most " + MOST_KEY + " characters and strings of at most "
                                + MOST_VALUE);
            }
            out.raw(out.length() > 1 ? "," : "").string(name).raw(":").string(value.stringValue());
        });
        return out.raw("}").toBytes();
    }
}
