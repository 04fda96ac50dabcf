package dev.apus.server.http;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The input of a response: chat messages for the template, and the same as the items that clients may list.
 *
 * @param messages each with {@code role} and {@code content}
 * @param items one per message
 */
record ResponseItems(List<Map<String, String>> messages, List<StoredResponse.Item> items) {
    private static final int MOST_ITEMS = 100_000;
    private static final List<String> ROLES = List.of("user", "assistant", "system", "developer");
    private static final List<String> TEXTS = List.of("input_text", "output_text", "text");

    /** Reads {@code input}: a text or a list of items. */
    static ResponseItems read(Fields fields) {
        JsonNode input = fields.node("input");
        if (input == null) {
            throw fields.missing("input");
        }
        ResponseItems read = new ResponseItems(new ArrayList<>(), new ArrayList<>());
        if (input.isString()) {
            read.add("user", List.of(input.stringValue()));
            return read;
        }
        if (!input.isArray()) {
            throw fields.wrongType("input", input, "a string or a list of items");
        }
        if (input.isEmpty()) {
            throw ApiException.invalid("input", "'input' is empty, it must have at least one item");
        }
        Fields.checkSize("input", input.size(), MOST_ITEMS);
        for (int i = 0; i < input.size(); i++) {
            read.addItem("input[" + i + "]", input.get(i));
        }
        if (read.messages.isEmpty()) {
            throw ApiException.invalid("input", "'input' has no message");
        }
        return read;
    }

    private void addItem(String path, JsonNode item) {
        if (!(item instanceof ObjectNode)) {
            throw ApiException.invalid(path, "'" + path + "' is " + Fields.describe(item) + ", must be an object");
        }
        JsonNode type = item.get("type");
        String name = type == null || type.isNull() ? "message" : type.isString() ? type.stringValue() : "";
        switch (name) {
            case "message" -> addMessage(path, item);
            case "reasoning" -> {
                // Clients send back what they got; earlier thoughts are not shown to the model again.
            }
            default ->
                throw ApiException.unsupported(
                        path,
                        "'" + path + "' is of type " + Fields.describe(item.get("type")) + ", only messages are taken");
        }
    }

    private void addMessage(String path, JsonNode item) {
        JsonNode role = item.get("role");
        if (role == null || !role.isString() || !ROLES.contains(role.stringValue())) {
            throw ApiException.invalid(path + ".role", "'" + path + ".role' must be one of " + ROLES);
        }
        JsonNode content = item.get("content");
        if (content == null || content.isNull()) {
            throw ApiException.invalid(path + ".content", "'" + path + ".content' is missing, it is required");
        }
        add(role.stringValue(), texts(path + ".content", content));
    }

    private static List<String> texts(String path, JsonNode content) {
        if (content.isString()) {
            return List.of(content.stringValue());
        }
        if (!content.isArray()) {
            throw ApiException.invalid(
                    path, "'" + path + "' is " + Fields.describe(content) + ", must be a string or a list of parts");
        }
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < content.size(); i++) {
            texts.add(text(path + "[" + i + "]", content.get(i)));
        }
        return texts;
    }

    private static String text(String path, JsonNode part) {
        JsonNode type = part.get("type");
        if (type == null || !type.isString()) {
            throw ApiException.invalid(path, "'" + path + ".type' must be a string");
        }
        if (!TEXTS.contains(type.stringValue())) {
            throw ApiException.unsupported(
                    path, "'" + path + "' is of type " + Fields.describe(type) + ", only text parts are supported");
        }
        JsonNode text = part.get("text");
        if (text == null || !text.isString()) {
            throw ApiException.invalid(path, "'" + path + ".text' must be a string");
        }
        return text.stringValue();
    }

    private void add(String role, List<String> texts) {
        // Templates know the developer by his older name.
        String known = role.equals("developer") ? "system" : role;
        messages.add(message(known, String.join("\n", texts)));
        String id = "msg_" + Generator.unique();
        JsonOut out = new JsonOut().raw("{\"id\":\"").raw(id).raw("\",\"type\":\"message\",\"status\":\"completed\",");
        out.raw("\"role\":\"").raw(role).raw("\",\"content\":[");
        boolean assistant = role.equals("assistant");
        for (int i = 0; i < texts.size(); i++) {
            out.raw(i > 0 ? "," : "")
                    .raw(assistant ? "{\"type\":\"output_text\",\"text\":" : "{\"type\":\"input_text\",\"text\":");
            out.string(texts.get(i)).raw(assistant ? ",\"annotations\":[],\"logprobs\":[]}" : "}");
        }
        items.add(new StoredResponse.Item(id, out.raw("]}").toBytes()));
    }

    static Map<String, String> message(String role, String content) {
        return Map.of("role", role, "content", content);
    }

    /**
     * The messages that the template is shown: system texts that stand at the beginning are one, since many templates take no second.
     *
     * @param instructions the first of them, or null
     */
    static List<Map<String, String>> forTemplate(
            @Nullable String instructions, List<Map<String, String>> conversation) {
        List<String> system = new ArrayList<>();
        if (instructions != null) {
            system.add(instructions);
        }
        int at = 0;
        while (at < conversation.size() && "system".equals(conversation.get(at).get("role"))) {
            system.add(conversation.get(at).getOrDefault("content", ""));
            at++;
        }
        List<Map<String, String>> messages = new ArrayList<>();
        if (!system.isEmpty()) {
            messages.add(message("system", String.join("\n", system)));
        }
        messages.addAll(conversation.subList(at, conversation.size()));
        return messages;
    }
}
