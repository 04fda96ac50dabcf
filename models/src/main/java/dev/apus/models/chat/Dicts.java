package dev.apus.models.chat;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Python's dict over a Java map: 1, 1.0 and True are one key; lists and dicts are none. */
final class Dicts {
    private Dicts() {}

    /** The value of a key, null if there is none. */
    static @Nullable Object find(Map<?, ?> map, Object key, Budget budget) {
        Object plain = Operators.plain(key);
        if (plain instanceof String s) {
            budget.scan(s.length());
            return map.get(plain);
        }
        Object found = map.get(plain);
        if (found != null) {
            return found;
        }
        Object equal = equalKey(map, plain, budget);
        return equal == null ? null : map.get(equal);
    }

    /** Sets a key as Python does: an equal key that is there already stays and takes the new value. */
    static void put(Map<Object, Object> map, Object key, Object value, Budget budget) {
        requireHashable(key, budget);
        Object plain = Operators.plain(key);
        Object equal = plain instanceof String || map.containsKey(plain) ? null : equalKey(map, plain, budget);
        map.put(equal == null ? plain : equal, value);
    }

    /** A key equal to a number or tuple, found by search: such keys are rare in templates and their hashes differ in Java. */
    private static @Nullable Object equalKey(Map<?, ?> map, Object key, Budget budget) {
        if (!Numbers.isNumber(key) && !(key instanceof Tuple)) {
            return null;
        }
        budget.work(map.size());
        for (Object candidate : map.keySet()) {
            if (!(candidate instanceof String) && Operators.equal(candidate, key, budget)) {
                return candidate;
            }
        }
        return null;
    }

    static void requireHashable(Object key, Budget budget) {
        budget.step();
        budget.enter();
        if (key instanceof Tuple t) {
            for (Object item : t) {
                requireHashable(item, budget);
            }
        } else if ((key instanceof List<?> && !(key instanceof PyRange)) || key instanceof Map<?, ?>) {
            throw JinjaError.type("unhashable type: '" + PythonText.typeName(key) + "'");
        }
        budget.leave();
    }
}
