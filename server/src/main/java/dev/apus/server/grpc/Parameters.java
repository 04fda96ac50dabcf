package dev.apus.server.grpc;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.MapEntry;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import dev.apus.proto.v1.ChatRequest;
import dev.apus.proto.v1.EmbedRequest;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.Sampling;
import dev.apus.server.http.CallSession;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Parameters of messages as those of the HTTP API, whose names they have: so they are checked and refused in one place. A field that is not
 * set is absent.
 */
final class Parameters {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private Parameters() {}

    /** Of {@code /v1/chat/completions}. */
    static ObjectNode chat(ChatRequest request, boolean stream) {
        ObjectNode parameters = JSON.objectNode();
        for (Map.Entry<FieldDescriptor, Object> field : request.getAllFields().entrySet()) {
            if (field.getKey().getNumber() != ChatRequest.SAMPLING_FIELD_NUMBER) {
                put(parameters, field.getKey(), field.getValue());
            }
        }
        dropEmptyModel(parameters);
        putAll(parameters, request.getSampling());
        JsonNode logprobs = parameters.remove("logprobs");
        if (logprobs != null) {
            parameters.put("logprobs", true).set("top_logprobs", logprobs);
        }
        return parameters.put("stream", stream);
    }

    /** Of {@code /v1/completions}. */
    static ObjectNode completion(GenerateRequest request, boolean stream, CallSession session) {
        ObjectNode parameters = JSON.objectNode();
        parameters.put("model", request.getModel());
        dropEmptyModel(parameters);
        switch (request.getPromptCase()) {
            case TEXT -> parameters.put("prompt", request.getText());
            case TOKEN_IDS -> parameters.set("prompt", ids(request.getTokenIds().getIdsList(), session));
            case PROMPT_NOT_SET -> {
                // Refused by name as in the HTTP API.
            }
        }
        if (request.hasEcho()) {
            parameters.put("echo", request.getEcho());
        }
        if (request.hasAddSpecialTokens()) {
            parameters.put("add_special_tokens", request.getAddSpecialTokens());
        }
        putAll(parameters, request.getSampling());
        return parameters.put("stream", stream);
    }

    static ObjectNode embedding(EmbedRequest request) {
        ObjectNode parameters = JSON.objectNode();
        parameters.put("model", request.getModel());
        dropEmptyModel(parameters);
        request.getTextsList().forEach(parameters.putArray("input")::add);
        if (request.hasDimensions()) {
            parameters.put("dimensions", Integer.toUnsignedLong(request.getDimensions()));
        }
        return parameters;
    }

    /** A list of token ids, unsigned as in the messages. */
    static ArrayNode ids(List<Integer> ids, CallSession session) {
        session.takeIds(ids.size());
        ArrayNode list = JSON.arrayNode(ids.size());
        ids.forEach(id -> list.add(Integer.toUnsignedLong(id)));
        return list;
    }

    private static void putAll(ObjectNode parameters, Sampling sampling) {
        sampling.getAllFields().forEach((field, value) -> put(parameters, field, value));
    }

    private static void dropEmptyModel(ObjectNode parameters) {
        JsonNode model = parameters.get("model");
        if (model != null && model.isString() && model.stringValue().isEmpty()) {
            parameters.remove("model");
        }
    }

    private static void put(ObjectNode into, FieldDescriptor field, Object value) {
        if (field.isMapField()) {
            ObjectNode map = into.putObject(field.getName());
            for (Object entry : (List<?>) value) {
                MapEntry<?, ?> pair = (MapEntry<?, ?>) entry;
                map.set(unsigned(pair.getKey()), JSON.numberNode((Float) pair.getValue()));
            }
        } else if (field.isRepeated()) {
            ArrayNode list = into.putArray(field.getName());
            ((List<?>) value).forEach(element -> list.add(node(field, element)));
        } else {
            into.set(field.getName(), node(field, value));
        }
    }

    private static String unsigned(Object key) {
        return key instanceof Integer id ? Integer.toUnsignedString(id) : key.toString();
    }

    private static JsonNode node(FieldDescriptor field, Object value) {
        return switch (value) {
            case Integer number
            when field.getType() == FieldDescriptor.Type.UINT32 -> JSON.numberNode(Integer.toUnsignedLong(number));
            case Integer number -> JSON.numberNode(number);
            case Long number -> JSON.numberNode(number);
            case Float number -> JSON.numberNode(number);
            case Boolean flag -> JSON.booleanNode(flag);
            case String text -> JSON.stringNode(text);
            case Struct struct -> struct(struct);
            case Message message -> message(message);
            default -> throw new IllegalStateException("a field of type " + field.getType() + " has no JSON form here");
        };
    }

    private static ObjectNode message(Message message) {
        ObjectNode object = JSON.objectNode();
        if (message instanceof dev.apus.proto.v1.Message said) {
            // An empty one is not among the fields that are set, and is not a missing one.
            object.put("content", said.getContent());
        }
        message.getAllFields().forEach((field, value) -> put(object, field, value));
        return object;
    }

    static ObjectNode struct(Struct struct) {
        ObjectNode object = JSON.objectNode();
        struct.getFieldsMap().forEach((name, value) -> object.set(name, value(value)));
        return object;
    }

    private static JsonNode value(Value value) {
        return switch (value.getKindCase()) {
            case STRING_VALUE -> JSON.stringNode(value.getStringValue());
            case BOOL_VALUE -> JSON.booleanNode(value.getBoolValue());
            case NUMBER_VALUE -> number(value.getNumberValue());
            case STRUCT_VALUE -> struct(value.getStructValue());
            case LIST_VALUE -> {
                ArrayNode list = JSON.arrayNode();
                value.getListValue().getValuesList().forEach(element -> list.add(value(element)));
                yield list;
            }
            case NULL_VALUE, KIND_NOT_SET -> JSON.nullNode();
        };
    }

    /** A message has only doubles: whole ones are shown without a point, as templates print them. */
    private static JsonNode number(double number) {
        return number == Math.rint(number) && Math.abs(number) < 1L << 53
                ? JSON.numberNode((long) number)
                : JSON.numberNode(number);
    }
}
