package dev.apus.models.chat;

import java.util.LinkedHashMap;
import java.util.Map;

/** {@code namespace()}: the one thing whose attributes a template may set. */
record Namespace(Map<String, Object> attributes) {
    Namespace() {
        this(new LinkedHashMap<>());
    }

    void set(String name, Object value) {
        if (name.startsWith("_")) {
            throw new JinjaError(
                    "SecurityError: Chat templates cannot store underscore-prefixed attributes on a namespace, but got '"
                            + name + "'. Please rename the attribute.");
        }
        attributes.put(name, value);
    }
}
