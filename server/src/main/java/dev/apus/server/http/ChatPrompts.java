package dev.apus.server.http;

import dev.apus.models.chat.ChatTemplate;
import dev.apus.models.chat.JinjaTemplate;
import dev.apus.scheduler.ServedModel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** From a chat's messages to the text of its prompt, by the model's template. Thread-safe. */
final class ChatPrompts {
    private static final int MOST_MESSAGES = 100_000;
    /** OpenAI's, and what other servers take besides. */
    private static final List<String> EFFORTS = List.of("none", "minimal", "low", "medium", "high", "xhigh", "max");

    private final ServedModel model;
    private final JsonBody json;
    private final boolean trustTemplates;

    ChatPrompts(ServedModel model, JsonBody json, ApiOptions options) {
        this.model = model;
        this.json = json;
        trustTemplates = options.trustRequestChatTemplate();
    }

    /**
     * Reads {@code messages}, {@code tools} and what concerns the template, and renders the prompt.
     *
     * @throws ApiException if they are wrong or the model has no template
     */
    String render(Fields fields) {
        ChatTemplate template = template(fields);
        List<Object> messages = messages(fields);
        boolean continued = fields.bool("continue_final_message", false);
        boolean generation = fields.bool("add_generation_prompt", !continued);
        if (continued && generation) {
            throw ApiException.invalid(
                    "continue_final_message",
                    "'continue_final_message' and 'add_generation_prompt' exclude each other, set only one to true");
        }
        Map<String, @Nullable Object> variables = new HashMap<>();
        addEffort("reasoning_effort", fields.string("reasoning_effort"), variables);
        ObjectNode kwargs = fields.objectNode("chat_template_kwargs");
        if (kwargs != null) {
            kwargs.forEachEntry((name, value) -> variables.put(name, JsonBody.plain(value)));
        }
        JsonNode tools = tools(fields);
        if (tools != null) {
            variables.put("tools", JsonBody.plain(tools));
        }
        JsonNode documents = fields.node("documents");
        if (documents != null) {
            variables.put("documents", JsonBody.plain(documents));
        }
        return render(template, messages, variables, generation, continued);
    }

    /**
     * Renders checked messages by the model's template.
     *
     * @param variables what the template is told besides
     * @param continued whether the answer goes on with the last message
     */
    String render(List<?> messages, Map<String, @Nullable Object> variables, boolean continued) {
        return render(modelTemplate(), messages, variables, !continued, continued);
    }

    private String render(
            ChatTemplate template,
            List<?> messages,
            Map<String, @Nullable Object> variables,
            boolean generation,
            boolean continued) {
        Map<String, @Nullable Object> all = new HashMap<>(variables);
        all.putAll(model.templateVariables());
        all.put("messages", messages);
        all.put("add_generation_prompt", generation);
        return continued ? template.renderContinued(all) : template.render(all);
    }

    /** The request's template if it brings one and may, else the model's. */
    private ChatTemplate template(Fields fields) {
        String source = fields.string("chat_template");
        if (source != null && !trustTemplates) {
            throw ApiException.unsupported(
                    "chat_template",
                    "'chat_template' is not taken from requests: the model's is used; the server's owner can allow it by"
                            + " --trust-request-chat-template");
        }
        if (source != null) {
            return JinjaTemplate.compile(source);
        }
        return modelTemplate();
    }

    private ChatTemplate modelTemplate() {
        ChatTemplate template = model.chatTemplate();
        if (template == null) {
            throw ApiException.badRequest(
                    "model '" + model.name() + "' has no chat template; use /v1/completions with a raw prompt");
        }
        return template;
    }

    /** Templates ask for the effort by its name or only whether to think, under one of two names. */
    static void addEffort(String name, @Nullable String effort, Map<String, @Nullable Object> variables) {
        if (effort == null) {
            return;
        }
        if (!EFFORTS.contains(effort)) {
            throw ApiException.invalid(name, "'" + name + "' must be one of " + EFFORTS);
        }
        variables.put("reasoning_effort", effort);
        if (effort.equals("none")) {
            variables.put("enable_thinking", false);
            variables.put("thinking", false);
        }
    }

    /** Whether a rendered prompt leaves the model in the middle of a thought. */
    static boolean isWithinThought(Fields fields, String prompt, ReasoningFormat format) {
        if (!fields.bool("continue_final_message", false)) {
            return format.isOpenAfter(prompt);
        }
        JsonNode messages = fields.node("messages");
        JsonNode content = messages == null || messages.isEmpty()
                ? null
                : messages.get(messages.size() - 1).get("content");
        return content != null && content.isString() && format.isOpenWithin(content.stringValue());
    }

    private static @Nullable JsonNode tools(Fields fields) {
        JsonNode tools = fields.node("tools");
        JsonNode choice = fields.node("tool_choice");
        boolean none =
                choice != null && choice.isString() && choice.stringValue().equals("none");
        if (tools != null && !tools.isArray()) {
            throw fields.wrongType("tools", tools, "a list");
        }
        if (tools == null || tools.isEmpty()) {
            boolean auto =
                    choice != null && choice.isString() && choice.stringValue().equals("auto");
            if (choice != null && !none && !auto) {
                throw ApiException.invalid("tool_choice", "'tool_choice' needs 'tools'");
            }
            return null;
        }
        if (!none) {
            throw ApiException.unsupported(
                    "tool_choice",
                    "'tools' with a 'tool_choice' other than \"none\" are not supported yet: this server cannot parse"
                            + " tool calls; send \"tool_choice\": \"none\" to show the tools to the model and get its text");
        }
        return tools;
    }

    private List<Object> messages(Fields fields) {
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
        List<Object> messages = new ArrayList<>(list.size());
        for (int i = 0; i < list.size(); i++) {
            messages.add(message("messages[" + i + "]", list.get(i)));
        }
        return messages;
    }

    private Map<String, @Nullable Object> message(String path, JsonNode node) {
        if (!(node instanceof ObjectNode object)) {
            throw ApiException.invalid(path, "'" + path + "' is " + Fields.describe(node) + ", must be an object");
        }
        Fields fields = new Fields(object);
        Map<String, @Nullable Object> message = new HashMap<>();
        object.forEachEntry((name, value) -> message.put(name, JsonBody.plain(value)));
        JsonNode role = fields.node("role");
        if (role == null || !role.isString()) {
            throw ApiException.invalid(
                    path + ".role", "'" + path + ".role' must be a string: system, user, assistant, tool");
        }
        JsonNode content = fields.node("content");
        if (content == null && !role.stringValue().equals("assistant")) {
            throw ApiException.invalid(path + ".content", "'" + path + ".content' is missing, it is required");
        }
        message.put("content", content == null ? "" : text(path + ".content", content));
        // Two names are in use for thoughts; templates know one of them.
        copyIfAbsent(message, "reasoning", "reasoning_content");
        copyIfAbsent(message, "reasoning_content", "reasoning");
        JsonNode calls = fields.node("tool_calls");
        if (calls != null) {
            message.put("tool_calls", toolCalls(path + ".tool_calls", calls));
        }
        return message;
    }

    private static void copyIfAbsent(Map<String, @Nullable Object> message, String from, String to) {
        Object value = message.get(from);
        if (value != null) {
            message.putIfAbsent(to, value);
        }
    }

    /** Text parts are joined by line ends, as vLLM does for templates that take strings. */
    private static String text(String path, JsonNode content) {
        if (content.isString()) {
            return content.stringValue();
        }
        if (!content.isArray()) {
            throw ApiException.invalid(
                    path, "'" + path + "' is " + Fields.describe(content) + ", must be a string or a list of parts");
        }
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < content.size(); i++) {
            String part = path + "[" + i + "]";
            JsonNode type = content.get(i).get("type");
            JsonNode text = content.get(i).get("text");
            if (type == null || !type.isString()) {
                throw ApiException.invalid(part, "'" + part + ".type' must be a string");
            }
            if (!type.stringValue().equals("text")) {
                throw ApiException.unsupported(
                        part, "'" + part + "' is of type " + Fields.describe(type) + ", only text parts are supported");
            }
            if (text == null || !text.isString()) {
                throw ApiException.invalid(part, "'" + part + ".text' must be a string");
            }
            texts.add(text.stringValue());
        }
        return String.join("\n", texts);
    }

    /** Arguments come as JSON in a string; templates want them as an object. */
    private List<@Nullable Object> toolCalls(String path, JsonNode calls) {
        if (!calls.isArray()) {
            throw ApiException.invalid(path, "'" + path + "' is " + Fields.describe(calls) + ", must be a list");
        }
        List<@Nullable Object> plain = new ArrayList<>();
        for (JsonNode call : calls) {
            JsonNode function = call.get("function");
            JsonNode arguments = function == null ? null : function.get("arguments");
            if (function instanceof ObjectNode object && arguments != null && arguments.isString()) {
                JsonNode parsed = json.parseInner(arguments.stringValue());
                if (parsed instanceof ObjectNode) {
                    object.set("arguments", parsed);
                }
            }
            plain.add(JsonBody.plain(call));
        }
        return plain;
    }
}
