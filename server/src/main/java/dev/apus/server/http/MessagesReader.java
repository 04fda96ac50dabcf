package dev.apus.server.http;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Reads the parameters of Anthropic's Messages API. Thread-safe. */
final class MessagesReader {
    private static final int MOST_MESSAGES = 100_000;
    /** Blocks of an assistant's earlier turns that are not shown to the model again. */
    private static final Set<String> THOUGHTS = Set.of("thinking", "redacted_thinking");

    private final SpecReader specs;
    private final ChatPrompts chats;

    /**
     * A rendered prompt.
     *
     * @param text what the model is given
     * @param begun the answer's beginning if the request has it, else null
     */
    record Rendered(String text, @Nullable String begun) {
        /** Whether it leaves the model in the middle of a thought. */
        boolean isWithinThought(ReasoningFormat format) {
            return begun == null ? format.isOpenAfter(text) : format.isOpenWithin(begun);
        }
    }

    MessagesReader(SpecReader specs, ChatPrompts chats) {
        this.specs = specs;
        this.chats = chats;
    }

    /** The body's parameters, those that have another name in OpenAI's API under that as well. */
    static Fields fields(ObjectNode body) {
        JsonNode budget = body.path("thinking").path("budget_tokens");
        boolean thinks = !body.path("thinking").path("type").asString("").equals("disabled");
        if (thinks && budget.isIntegralNumber()) {
            body.set("thinking_token_budget", budget);
        }
        return new Fields(body);
    }

    /** How to generate. */
    GenerationSpec spec(Fields fields) {
        refuseUnsupported(fields);
        thinking(fields);
        if (!fields.has("max_tokens")) {
            throw fields.missing("max_tokens");
        }
        Fields metadata = fields.object("metadata");
        if (metadata != null) {
            metadata.string("user_id");
        }
        return specs.messages(fields);
    }

    /** Refuses by name what this server cannot do. */
    void refuseUnsupported(Fields fields) {
        fields.refuse("this server cannot parse tool calls yet", "tools", "mcp_servers");
        Fields choice = fields.object("tool_choice");
        if (choice != null && !choice.requiredString("type").equals("none")) {
            throw ApiException.invalid("tool_choice", "'tool_choice' needs 'tools', which are not supported yet");
        }
        fields.refuse("answers are text without a form of their own", "output_format", "output_config");
        fields.refuse("nothing is kept between requests", "container", "context_management");
    }

    /**
     * The prompt by the model's chat template. If the last message is the assistant's, the answer goes on with it.
     *
     * @throws ApiException if messages are wrong, or the model has no template
     */
    Rendered prompt(Fields fields) {
        Map<String, @Nullable Object> variables = new HashMap<>();
        Boolean thinking = thinking(fields);
        if (thinking != null) {
            variables.put("enable_thinking", thinking);
            variables.put("thinking", thinking);
        }
        List<Map<String, String>> messages = messages(fields);
        Map<String, String> last = messages.getLast();
        boolean continued = "assistant".equals(last.get("role"));
        return new Rendered(chats.render(messages, variables, continued), continued ? last.get("content") : null);
    }

    /** Whether the model is to think; null if the request leaves it to the model. */
    private @Nullable Boolean thinking(Fields fields) {
        Fields thinking = fields.object("thinking");
        if (thinking == null) {
            return null;
        }
        String type = thinking.requiredString("type");
        return switch (type) {
            case "disabled" -> false;
            case "enabled", "adaptive" -> {
                if (!specs.tellsThoughts()) {
                    throw ApiException.unsupported(
                            "thinking",
                            "'thinking' of type \"" + type
                                    + "\" is not supported: this model's thoughts are not told apart"
                                    + " from text; leave it out or send {\"type\":\"disabled\"}");
                }
                // Looked at by what reads the sampling parameters, under vLLM's name.
                thinking.integer("budget_tokens", 0, 0, Integer.MAX_VALUE);
                yield true;
            }
            default ->
                throw ApiException.invalid(
                        "thinking.type", "'thinking.type' must be \"enabled\", \"adaptive\" or \"disabled\"");
        };
    }

    private static List<Map<String, String>> messages(Fields fields) {
        List<Map<String, String>> messages = new ArrayList<>();
        JsonNode system = fields.node("system");
        if (system != null) {
            messages.add(Map.of("role", "system", "content", text("system", system)));
        }
        JsonNode list = fields.node("messages");
        if (list == null) {
            throw fields.missing("messages");
        }
        if (!list.isArray()) {
            throw fields.wrongType("messages", list, "a list");
        }
        if (list.isEmpty()) {
            throw ApiException.invalid("messages", "'messages' is empty, it must have at least one message");
        }
        Fields.checkSize("messages", list.size(), MOST_MESSAGES);
        List<String> turn = new ArrayList<>();
        String speaker = null;
        for (int i = 0; i < list.size(); i++) {
            String path = "messages[" + i + "]";
            String role = role(path, list.get(i));
            if (speaker != null && !speaker.equals(role)) {
                messages.add(Map.of("role", speaker, "content", String.join("\n", turn)));
                turn.clear();
            }
            speaker = role;
            turn.add(content(path + ".content", list.get(i)));
        }
        // Several messages of one speaker are one turn in this API, and templates want turns.
        messages.add(Map.of("role", String.valueOf(speaker), "content", String.join("\n", turn)));
        return messages;
    }

    private static String role(String path, JsonNode message) {
        if (!(message instanceof ObjectNode)) {
            throw ApiException.invalid(path, "'" + path + "' is " + Fields.describe(message) + ", must be an object");
        }
        JsonNode role = message.get("role");
        if (role == null
                || !role.isString()
                || !(role.stringValue().equals("user") || role.stringValue().equals("assistant"))) {
            throw ApiException.invalid(
                    path + ".role",
                    "'" + path + ".role' must be \"user\" or \"assistant\"; system text goes into 'system'");
        }
        return role.stringValue();
    }

    private static String content(String path, JsonNode message) {
        JsonNode content = message.get("content");
        if (content == null || content.isNull()) {
            throw ApiException.invalid(path, "'" + path + "' is missing, it is required");
        }
        return text(path, content);
    }

    /** Text blocks are joined by line ends, as in chats. */
    private static String text(String path, JsonNode content) {
        if (content.isString()) {
            return content.stringValue();
        }
        if (!content.isArray()) {
            throw ApiException.invalid(
                    path, "'" + path + "' is " + Fields.describe(content) + ", must be a string or a list of blocks");
        }
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < content.size(); i++) {
            String text = blockText(path + "[" + i + "]", content.get(i));
            if (text != null) {
                texts.add(text);
            }
        }
        return String.join("\n", texts);
    }

    private static @Nullable String blockText(String path, JsonNode block) {
        JsonNode type = block.get("type");
        if (type == null || !type.isString()) {
            throw ApiException.invalid(path, "'" + path + ".type' must be a string");
        }
        if (THOUGHTS.contains(type.stringValue())) {
            return null;
        }
        if (!type.stringValue().equals("text")) {
            throw ApiException.unsupported(
                    path, "'" + path + "' is of type " + Fields.describe(type) + ", only text blocks are supported");
        }
        JsonNode text = block.get("text");
        if (text == null || !text.isString()) {
            throw ApiException.invalid(path, "'" + path + ".text' must be a string");
        }
        return text.stringValue();
    }
}
