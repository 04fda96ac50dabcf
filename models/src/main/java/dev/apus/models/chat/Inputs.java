package dev.apus.models.chat;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Turns what a caller passes into template values: a copy, so that each value is checked once and stays as it was. */
final class Inputs {
    /** JSON parsers stop at about this depth too. */
    private static final int MAX_DEPTH = 500;

    private Inputs() {}

    /**
     * @param name the variable, for the error
     * @throws JinjaError if the value or a part of it is of no JSON-like type
     */
    static Object value(String name, @Nullable Object value) {
        return value(name, value, 0);
    }

    private static Object value(String name, @Nullable Object value, int depth) {
        if (depth > MAX_DEPTH) {
            throw JinjaError.value("the variable '" + name + "' nests deeper than " + MAX_DEPTH + " levels");
        }
        return switch (value) {
            case null -> None.NONE;
            case String s -> s;
            case Boolean b -> b;
            case Long l -> l;
            case Double d -> d;
            case Integer i -> i.longValue();
            case Short s -> s.longValue();
            case Byte b -> b.longValue();
            case Float f -> Double.parseDouble(f.toString());
            case BigDecimal d -> d.doubleValue();
            case BigInteger b -> Numbers.of(b);
            case List<?> l -> list(name, l, depth);
            case Map<?, ?> m -> map(name, m, depth);
            default ->
                throw JinjaError.type("the variable '" + name + "' holds a "
                        + value.getClass().getName()
                        + "; allowed are Map, List, String, Boolean, Long, Integer, Double and null");
        };
    }

    private static Object list(String name, List<?> list, int depth) {
        List<Object> copy = new ArrayList<>(list.size());
        for (Object item : list) {
            copy.add(value(name, item, depth + 1));
        }
        return copy;
    }

    private static Object map(String name, Map<?, ?> map, int depth) {
        Map<Object, Object> copy = LinkedHashMap.newLinkedHashMap(map.size());
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!(entry.getKey() instanceof String)) {
                throw JinjaError.type("the variable '" + name + "' has a map key that is no string: " + entry.getKey());
            }
            copy.put(entry.getKey(), value(name, entry.getValue(), depth + 1));
        }
        return copy;
    }
}
