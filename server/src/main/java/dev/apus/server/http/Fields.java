package dev.apus.server.http;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads the parameters of a request's JSON object: checks types and ranges and keeps account of those that nobody asked for, here and in
 * the objects within. A parameter that is {@code null} counts as absent, as in OpenAI's API. Not thread-safe.
 */
final class Fields {
    /** A bound on lists that nobody needs longer and that each request would carry through the engine. */
    static final int MOST_ENTRIES = 1024;

    private final ObjectNode object;
    private final String path;
    /** Paths from the request's own object: nested objects keep account in the same sets. */
    private final Set<String> unread;

    private final Set<String> idle;

    Fields(ObjectNode object) {
        this(object, "", new LinkedHashSet<>(), new LinkedHashSet<>());
    }

    private Fields(ObjectNode object, String path, Set<String> unread, Set<String> idle) {
        this.object = object;
        this.path = path;
        this.unread = unread;
        this.idle = idle;
        object.propertyNames().forEach(name -> unread.add(path + name));
    }

    /** Paths of parameters that were sent and not read. */
    Set<String> unread() {
        return unread;
    }

    /** Paths of parameters that are known and do not do here what they ask for. */
    Set<String> idle() {
        return idle;
    }

    /** Notes that a parameter asks for something that is not done, though the answer is right without it. */
    void idle(String name) {
        idle.add(path + name);
    }

    /** Takes back {@link #idle}: this API does what the parameter asks for. */
    void notIdle(String name) {
        idle.remove(path + name);
    }

    /** The parameter's value, or null if it is absent or {@code null}. */
    @Nullable
    JsonNode node(String name) {
        unread.remove(path + name);
        JsonNode node = object.get(name);
        return node == null || node.isNull() ? null : node;
    }

    /** The parameter's value. */
    JsonNode required(String name) {
        JsonNode node = node(name);
        if (node == null) {
            throw missing(name);
        }
        return node;
    }

    boolean has(String name) {
        return node(name) != null;
    }

    /** Refuses parameters that are known and cannot be served. */
    void refuse(String why, String... names) {
        for (String name : names) {
            JsonNode node = node(name);
            if (node != null && (node.isValueNode() || !node.isEmpty())) {
                throw ApiException.unsupported(path + name, "'" + path + name + "' is not supported: " + why);
            }
        }
    }

    /** Refuses a switch that is on. */
    void refuseIfTrue(String why, String... names) {
        for (String name : names) {
            if (bool(name, false)) {
                throw ApiException.unsupported(path + name, "'" + path + name + "' is not supported: " + why);
            }
        }
    }

    @Nullable
    String string(String name) {
        JsonNode node = node(name);
        if (node != null && !node.isString()) {
            throw wrongType(name, node, "a string");
        }
        return node == null ? null : node.stringValue();
    }

    String requiredString(String name) {
        String value = string(name);
        if (value == null) {
            throw missing(name);
        }
        return value;
    }

    boolean bool(String name, boolean absent) {
        JsonNode node = node(name);
        if (node != null && !node.isBoolean()) {
            throw wrongType(name, node, "true or false");
        }
        return node == null ? absent : node.booleanValue();
    }

    int integer(String name, int absent, int least, int most) {
        JsonNode node = node(name);
        return node == null ? absent : (int) integer(path + name, node, least, most);
    }

    long integer64(String name, long absent) {
        JsonNode node = node(name);
        return node == null ? absent : integer(path + name, node, Long.MIN_VALUE, Long.MAX_VALUE);
    }

    /** A number in {@code [least, most]}, or null if absent. */
    @Nullable
    Double number(String name, double least, double most) {
        return number(name, least, most, least + " to " + most);
    }

    /** A number in {@code [least, most]}, which a message calls {@code allowed}, or null if absent. */
    @Nullable
    Double number(String name, double least, double most, String allowed) {
        JsonNode node = node(name);
        if (node == null) {
            return null;
        }
        if (!node.isNumber()) {
            throw wrongType(name, node, "a number");
        }
        double value = node.doubleValue();
        if (!(value >= least && value <= most)) {
            throw outOfRange(path + name, node, allowed);
        }
        return value;
    }

    /** A list of integers, empty if absent. */
    List<Integer> integers(String name, int least, int most, int mostEntries) {
        JsonNode node = node(name);
        if (node == null) {
            return List.of();
        }
        if (!node.isArray()) {
            throw wrongType(name, node, "a list of integers");
        }
        checkSize(path + name, node.size(), mostEntries);
        List<Integer> values = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            values.add((int) integer(path + name + "[" + i + "]", node.get(i), least, most));
        }
        return values;
    }

    /** A string or a list of strings, empty if absent. */
    List<String> strings(String name, int mostEntries) {
        JsonNode node = node(name);
        if (node == null) {
            return List.of();
        }
        if (node.isString()) {
            return List.of(node.stringValue());
        }
        if (!node.isArray()) {
            throw wrongType(name, node, "a string or a list of strings");
        }
        checkSize(path + name, node.size(), mostEntries);
        List<String> values = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            if (!node.get(i).isString()) {
                throw wrongType(name + "[" + i + "]", node.get(i), "a string");
            }
            values.add(node.get(i).stringValue());
        }
        return values;
    }

    /** An object's own parameters, or null if absent. */
    @Nullable
    Fields object(String name) {
        ObjectNode node = objectNode(name);
        return node == null ? null : new Fields(node, path + name + ".", unread, idle);
    }

    @Nullable
    ObjectNode objectNode(String name) {
        JsonNode node = node(name);
        if (node == null) {
            return null;
        }
        if (!(node instanceof ObjectNode found)) {
            throw wrongType(name, node, "an object");
        }
        return found;
    }

    ApiException missing(String name) {
        return new ApiException(
                400, "'" + path + name + "' is missing, it is required", path + name, "missing_required_parameter", 0);
    }

    ApiException wrongType(String name, JsonNode node, String wanted) {
        return new ApiException(
                400,
                "'" + path + name + "' is " + describe(node) + ", must be " + wanted,
                path + name,
                "invalid_type",
                0);
    }

    static ApiException outOfRange(String name, JsonNode node, String allowed) {
        return ApiException.invalid(name, "'" + name + "' is " + describe(node) + ", must be " + allowed);
    }

    /** An integer in {@code [least, most]}; 2.0 counts as 2. */
    static long integer(String name, JsonNode node, long least, long most) {
        boolean whole = node.isIntegralNumber()
                || (node.isNumber() && node.doubleValue() == Math.rint(node.doubleValue()) && node.canConvertToLong());
        if (!whole) {
            throw new ApiException(
                    400, "'" + name + "' is " + describe(node) + ", must be an integer", name, "invalid_type", 0);
        }
        if (!node.canConvertToLong() || node.longValue() < least || node.longValue() > most) {
            throw outOfRange(name, node, least + " to " + most);
        }
        return node.longValue();
    }

    static void checkSize(String name, int size, int most) {
        if (size > most) {
            throw ApiException.invalid(
                    name, "'" + name + "' has " + size + " entries, at most " + most + " are allowed");
        }
    }

    /** A value for a message: scalars as they are but short, others by their kind. */
    static String describe(JsonNode node) {
        if (node.isContainer()) {
            return node.isArray() ? "a list" : "an object";
        }
        String text = node.toString();
        return text.length() <= 40 ? text : text.substring(0, 40) + "...";
    }
}
