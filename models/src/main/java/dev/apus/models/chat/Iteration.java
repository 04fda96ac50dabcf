package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Python's iter(), len() and list(). */
final class Iteration {
    private Iteration() {}

    /** iter(value), or null if it cannot be iterated. */
    static @Nullable Iterator<Object> tryOver(Object value, Budget budget) {
        return switch (value) {
            case List<?> l -> view(l).iterator();
            case Map<?, ?> m -> new ArrayList<Object>(m.keySet()).iterator();
            case String s -> characters(s, budget);
            case Markup m -> characters(m.text(), budget);
            case View v -> v.items().iterator();
            case Generator g -> g.items();
            case Undefined _ -> Collections.emptyIterator();
            default -> null;
        };
    }

    static Iterator<Object> over(Object value, Budget budget) {
        Iterator<Object> iterator = tryOver(value, budget);
        if (iterator == null) {
            throw JinjaError.type("'" + PythonText.typeName(value) + "' object is not iterable");
        }
        return iterator;
    }

    private static Iterator<Object> characters(String s, Budget budget) {
        budget.elements(s.length());
        return PythonStrings.characters(s).iterator();
    }

    /** list(value): a new list. */
    static List<Object> list(Object value, Budget budget) {
        if (value instanceof List<?> l) {
            budget.elements(l.size());
            return new ArrayList<>(l);
        }
        List<Object> out = new ArrayList<>();
        Iterator<Object> items = over(value, budget);
        while (items.hasNext()) {
            budget.step();
            out.add(items.next());
        }
        return out;
    }

    /** len(value), or -1 if it has none. */
    static int tryLength(Object value) {
        return switch (value) {
            case String s -> PythonStrings.length(s);
            case Markup m -> PythonStrings.length(m.text());
            case List<?> l -> l.size();
            case Map<?, ?> m -> m.size();
            case View v -> v.items().size();
            case Undefined _ -> 0;
            case Loop l -> l.length();
            default -> -1;
        };
    }

    /** len(value); going over a string's code points is charged. */
    static int length(Object value, Budget budget) {
        if (Operators.plain(value) instanceof String s) {
            budget.scan(s.length());
        }
        int length = tryLength(value);
        if (length < 0) {
            throw JinjaError.type("object of type '" + PythonText.typeName(value) + "' has no len()");
        }
        return length;
    }

    /** A list of unknown element type, read as a list of values. */
    static List<Object> view(List<?> list) {
        return Collections.unmodifiableList(list);
    }
}
