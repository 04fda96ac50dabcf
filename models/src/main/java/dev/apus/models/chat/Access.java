package dev.apus.models.chat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Attributes, items and slices as jinja2's immutable sandbox gives them: {@code a.b} prefers an attribute, {@code a['b']} an item;
 * names that begin with an underscore and methods that would change a list or dict are unsafe.
 */
final class Access {
    private static final java.util.Set<String> DUNDERS = java.util.Set.of(
            "__class__",
            "__init__",
            "__doc__",
            "__dict__",
            "__getattribute__",
            "__setattr__",
            "__reduce__",
            "__reduce_ex__",
            "__subclasshook__",
            "__init_subclass__",
            "__new__",
            "__repr__",
            "__str__",
            "__hash__",
            "__eq__",
            "__dir__",
            "__sizeof__",
            "__format__",
            "__delattr__",
            "__ne__",
            "__lt__",
            "__le__",
            "__gt__",
            "__ge__",
            "__getstate__");

    private final Budget budget;

    Access(Budget budget) {
        this.budget = budget;
    }

    /** {@code target.name}. */
    Object attribute(Object target, String name) {
        Object value = ownAttribute(target, name);
        if (value != null) {
            return value;
        }
        if (target instanceof Map<?, ?> map) {
            value = map.get(name);
            return value != null ? value : missing(target, name);
        }
        return missing(target, name);
    }

    /** An attribute in Python's sense, null if there is none. */
    @Nullable
    Object ownAttribute(Object target, String name) {
        if (target instanceof Undefined u) {
            throw u.error();
        }
        if (name.startsWith("_") && DUNDERS.contains(name) && !(target instanceof Namespace)) {
            return unsafe(target, name);
        }
        return switch (target) {
            case Map<?, ?> m -> Methods.ofDict(view(m), name, budget, this);
            case String s -> StringMethods.of(s, name, budget, this);
            case Markup m -> StringMethods.of(m.text(), name, budget, this);
            case Namespace n -> n.attributes().get(name);
            case Loop l -> l.attribute(name);
            case Macro m when name.equals("name") -> m.name();
            case List<?> l -> Methods.ofList(l, name, budget, this);
            case Methods.Stateful s -> s.attribute(name);
            case Double d
            when name.equals("is_integer") ->
                new Function("<built-in method is_integer>", _ -> d == Math.rint(d) && !Double.isInfinite(d));
            default -> null;
        };
    }

    @SuppressWarnings("unchecked") // Maps of template values have template values as keys; they are only read here.
    static Map<Object, Object> view(Map<?, ?> map) {
        return (Map<Object, Object>) map;
    }

    /** {@code target[key]}. */
    Object item(Object target, Object keyValue) {
        Object key = Operators.plain(keyValue);
        Object found =
                switch (target) {
                    case Undefined u -> throw u.error();
                    case Map<?, ?> m -> fromMap(m, key);
                    case List<?> l -> element(l, key);
                    case String s -> character(s, key);
                    case Markup m -> character(m.text(), key);
                    default -> null;
                };
        if (found == null && key instanceof String name) {
            found = ownAttribute(target, name);
        }
        return found != null ? found : missing(target, key);
    }

    private @Nullable Object fromMap(Map<?, ?> map, Object key) {
        if (!(key instanceof String)) {
            if (key instanceof List<?> && !(key instanceof Tuple)) {
                return null;
            }
            Dicts.requireHashable(key, budget);
        }
        return Dicts.find(map, key, budget);
    }

    private static @Nullable Object element(List<?> list, Object key) {
        int at = position(key, list.size());
        return at < 0 ? null : list.get(at);
    }

    private @Nullable Object character(String s, Object key) {
        budget.scan(s.length());
        int at = position(key, PythonStrings.length(s));
        if (at < 0) {
            return null;
        }
        int start = PythonStrings.offset(s, at);
        return s.substring(start, start + Character.charCount(s.codePointAt(start)));
    }

    /** Python's index, negative from the end; -1 if it is none or out of range. */
    private static int position(Object key, int size) {
        if (!Numbers.isInt(key) || key instanceof BigInteger) {
            return -1;
        }
        long index = Numbers.longIndex(key);
        long at = index < 0 ? index + size : index;
        return at >= 0 && at < size ? (int) at : -1;
    }

    Undefined unsafe(Object target, String name) {
        return new Undefined("SecurityError: access to attribute '" + name + "' of '" + PythonText.typeName(target)
                + "' object is unsafe.");
    }

    private Undefined missing(Object target, Object key) {
        String type = target == None.NONE ? "None" : PythonText.typeName(target) + " object";
        return new Undefined(
                key instanceof String name
                        ? "UndefinedError: '" + type + "' has no attribute '" + name + "'"
                        : "UndefinedError: " + type + " has no element " + PythonText.repr(key, budget));
    }

    /** {@code target[start:stop:step]}; null means left out. */
    Object slice(Object target, Object start, Object stop, Object step) {
        int size =
                switch (target) {
                    case Undefined u -> throw u.error();
                    case String s -> Iteration.length(s, budget);
                    case Markup m -> Iteration.length(m.text(), budget);
                    case List<?> l -> l.size();
                    default ->
                        throw JinjaError.type(
                                "'" + PythonText.typeName(target) + "' object is not subscriptable by a slice");
                };
        long stride = step == None.NONE ? 1 : sliceIndex(step);
        if (stride == 0) {
            throw JinjaError.value("slice step cannot be zero");
        }
        stride = Math.clamp(stride, -Integer.MAX_VALUE, Integer.MAX_VALUE);
        long lowest = stride > 0 ? 0 : -1;
        long highest = stride > 0 ? size : size - 1;
        long from = start == None.NONE ? (stride > 0 ? lowest : highest) : bound(start, size, lowest, highest);
        long to = stop == None.NONE ? (stride > 0 ? highest : lowest) : bound(stop, size, lowest, highest);
        long count = Math.max(0, stride > 0 ? (to - from + stride - 1) / stride : (from - to - stride - 1) / -stride);
        return take(target, (int) from, stride, (int) count);
    }

    private static long sliceIndex(Object value) {
        if (!Numbers.isInt(value)) {
            throw JinjaError.type("slice indices must be integers or None");
        }
        return Numbers.longIndex(value);
    }

    private static long bound(Object value, int size, long lowest, long highest) {
        long index = sliceIndex(value);
        return Math.clamp(index < 0 ? Math.max(index, -size - 1L) + size : index, lowest, highest);
    }

    private Object take(Object target, int from, long step, int count) {
        if (target instanceof Markup m) {
            return new Markup((String) take(m.text(), from, step, count));
        }
        if (target instanceof String s) {
            budget.text(count);
            return takeText(s, from, step, count);
        }
        if (target instanceof PyRange r) {
            long start = r.start + from * r.step;
            long stride = r.step * step;
            return new PyRange(start, start + stride * count, stride, count);
        }
        List<?> list = (List<?>) target;
        budget.elements(count);
        List<Object> out = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            out.add(list.get((int) (from + i * step)));
        }
        return target instanceof Tuple ? new Tuple(out) : out;
    }

    private static String takeText(String s, int from, long step, int count) {
        if (count == 0) {
            return "";
        }
        if (step == 1) {
            int start = PythonStrings.offset(s, from);
            return s.substring(start, s.offsetByCodePoints(start, count));
        }
        int[] points = s.codePoints().toArray();
        StringBuilder out = new StringBuilder(count);
        for (int i = 0; i < count; i++) {
            out.appendCodePoint(points[(int) (from + i * step)]);
        }
        return out.toString();
    }
}
