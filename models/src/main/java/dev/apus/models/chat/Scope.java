package dev.apus.models.chat;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Variables of a block; what a block sets is not seen outside it. */
final class Scope {
    private final @Nullable Scope parent;
    private @Nullable Map<String, Object> variables;

    Scope(@Nullable Scope parent) {
        this.parent = parent;
    }

    @Nullable
    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.parent) {
            Object value = scope.variables == null ? null : scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return null;
    }

    void set(String name, Object value) {
        if (variables == null) {
            variables = new HashMap<>();
        }
        variables.put(name, value);
    }

    /** The scope of the template itself, below the one that holds the caller's variables. */
    Scope top() {
        Scope scope = this;
        while (scope.parent != null && scope.parent.parent != null) {
            scope = scope.parent;
        }
        return scope;
    }
}
