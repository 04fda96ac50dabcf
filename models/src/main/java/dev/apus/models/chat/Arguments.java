package dev.apus.models.chat;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The evaluated arguments of a call. */
record Arguments(List<Object> positional, Map<String, Object> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    static Arguments of(Object... positional) {
        return new Arguments(List.of(positional), Map.of());
    }

    /**
     * Sorts the arguments into parameters by Python's rules.
     *
     * @param function the name an error gives
     * @param required how many of the first parameters must be there
     * @return one value per parameter, null where the caller gave none
     */
    @Nullable
    Object[] bind(String function, int required, String... parameters) {
        if (positional.size() > parameters.length) {
            throw JinjaError.type(function + "() takes at most " + parameters.length + " arguments ("
                    + positional.size() + " given)");
        }
        @Nullable Object[] bound = new @Nullable Object[parameters.length];
        for (int i = 0; i < positional.size(); i++) {
            bound[i] = positional.get(i);
        }
        int used = 0;
        for (int i = 0; i < parameters.length && !named.isEmpty(); i++) {
            Object value = named.get(parameters[i]);
            if (value != null) {
                if (bound[i] != null) {
                    throw JinjaError.type(function + "() got multiple values for argument '" + parameters[i] + "'");
                }
                bound[i] = value;
                used++;
            }
        }
        if (used < named.size()) {
            throw JinjaError.type(function + "() got an unexpected keyword argument among " + named.keySet());
        }
        for (int i = 0; i < required; i++) {
            if (bound[i] == null) {
                throw JinjaError.type(function + "() missing required argument: '" + parameters[i] + "'");
            }
        }
        return bound;
    }

    /** The positional arguments of a function that takes no named ones. */
    List<Object> only(String function, int least, int most) {
        if (!named.isEmpty()) {
            throw JinjaError.type(function + "() takes no keyword arguments");
        }
        if (positional.size() < least || positional.size() > most) {
            throw JinjaError.type(
                    function + "() expected " + least + " to " + most + " arguments, got " + positional.size());
        }
        return positional;
    }

    /** These arguments without the first {@code count} positional ones. */
    Arguments without(int count) {
        return new Arguments(positional.subList(count, positional.size()), named);
    }
}
