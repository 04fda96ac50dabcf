package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The methods of Python's dict, list and tuple that leave them as they are, and jinja2's two small helper objects. */
final class Methods {
    private static final Set<String> DICT_CHANGES = Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final Set<String> LIST_CHANGES =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

    private Methods() {}

    static @Nullable Object ofDict(Map<Object, Object> map, String name, Budget budget, Access access) {
        if (DICT_CHANGES.contains(name)) {
            return access.unsafe(map, name);
        }
        return switch (name) {
            case "get" -> method(name, a -> get(map, a, budget));
            case "items" ->
                method(name, a -> {
                    a.only(name, 0, 0);
                    return items(map, budget);
                });
            case "keys" ->
                method(name, a -> {
                    a.only(name, 0, 0);
                    budget.elements(map.size());
                    return new View("dict_keys", new ArrayList<>(map.keySet()));
                });
            case "values" ->
                method(name, a -> {
                    a.only(name, 0, 0);
                    budget.elements(map.size());
                    return new View("dict_values", new ArrayList<>(map.values()));
                });
            case "copy" ->
                method(name, a -> {
                    a.only(name, 0, 0);
                    budget.elements(map.size());
                    return new LinkedHashMap<>(map);
                });
            case "fromkeys" -> method(name, a -> fromKeys(a, budget));
            default -> null;
        };
    }

    static View items(Map<Object, Object> map, Budget budget) {
        budget.elements(map.size());
        List<Object> pairs = new ArrayList<>(map.size());
        map.forEach((key, value) -> pairs.add(Tuple.of(key, value)));
        return new View("dict_items", pairs);
    }

    private static Object get(Map<Object, Object> map, Arguments arguments, Budget budget) {
        List<Object> a = arguments.only("get", 1, 2);
        Dicts.requireHashable(a.getFirst(), budget);
        Object value = Dicts.find(map, a.getFirst(), budget);
        return value != null ? value : a.size() == 2 ? a.get(1) : None.NONE;
    }

    private static Object fromKeys(Arguments arguments, Budget budget) {
        List<Object> a = arguments.only("fromkeys", 1, 2);
        Map<Object, Object> map = new LinkedHashMap<>();
        for (Object key : Iteration.list(a.getFirst(), budget)) {
            Dicts.put(map, key, a.size() == 2 ? a.get(1) : None.NONE, budget);
        }
        return map;
    }

    static @Nullable Object ofList(List<?> list, String name, Budget budget, Access access) {
        boolean plainList = !(list instanceof Tuple) && !(list instanceof PyRange);
        if (plainList && LIST_CHANGES.contains(name)) {
            return access.unsafe(list, name);
        }
        return switch (name) {
            case "index" -> method(name, a -> index(list, a, budget));
            case "count" ->
                method(name, a -> {
                    Object wanted = a.only(name, 1, 1).getFirst();
                    return list.stream()
                            .filter(item -> Operators.equal(item, wanted, budget))
                            .count();
                });
            case "copy" ->
                !plainList
                        ? null
                        : method(name, a -> {
                            a.only(name, 0, 0);
                            return Iteration.list(list, budget);
                        });
            case "start", "stop", "step" -> list instanceof PyRange r ? bound(r, name) : null;
            default -> null;
        };
    }

    private static Object bound(PyRange range, String name) {
        return switch (name) {
            case "start" -> range.start;
            case "stop" -> range.stop;
            default -> range.step;
        };
    }

    private static Object index(List<?> list, Arguments arguments, Budget budget) {
        List<Object> a = arguments.only("index", 1, 3);
        int size = list.size();
        int from = a.size() > 1 ? clamp(a.get(1), size) : 0;
        int to = a.size() > 2 ? clamp(a.get(2), size) : size;
        for (int i = from; i < to; i++) {
            if (Operators.equal(list.get(i), a.getFirst(), budget)) {
                return (long) i;
            }
        }
        throw JinjaError.value(PythonText.repr(a.getFirst(), budget) + " is not in list");
    }

    private static int clamp(Object index, int size) {
        long i = Numbers.index(index);
        return Math.clamp(i < 0 ? i + size : i, 0, size);
    }

    private static Function method(String name, java.util.function.Function<Arguments, Object> body) {
        return new Function("<built-in method " + name + ">", body);
    }

    /** A helper object with a state of its own, for one rendering. */
    sealed interface Stateful {
        @Nullable
        Object attribute(String name);
    }

    /** {@code cycler(a, b)}: gives its values in turn. */
    static final class Cycler implements Stateful {
        private final List<Object> items;
        private int position;

        Cycler(List<Object> items) {
            if (items.isEmpty()) {
                throw new JinjaError("RuntimeError: at least one item has to be provided");
            }
            this.items = items;
        }

        @Override
        public @Nullable Object attribute(String name) {
            return switch (name) {
                case "next" ->
                    method(name, _ -> {
                        Object item = items.get(position);
                        position = (position + 1) % items.size();
                        return item;
                    });
                case "reset" ->
                    method(name, _ -> {
                        position = 0;
                        return None.NONE;
                    });
                case "current" -> items.get(position);
                case "pos" -> (long) position;
                case "items" -> new Tuple(items);
                default -> null;
            };
        }
    }

    /** {@code joiner(separator)}: nothing at the first call, the separator afterwards. */
    static final class Joiner implements Stateful, Callable {
        private final Object separator;
        private boolean used;

        Joiner(Arguments arguments) {
            Object given = arguments.bind("joiner", 0, "sep")[0];
            this.separator = given == null ? ", " : given;
        }

        @Override
        public @Nullable Object attribute(String name) {
            return switch (name) {
                case "sep" -> separator;
                case "used" -> used;
                default -> null;
            };
        }

        @Override
        public Object call(Arguments arguments) {
            arguments.only("joiner", 0, 0);
            Object text = used ? separator : "";
            used = true;
            return text;
        }

        @Override
        public String describe() {
            return "<Joiner object>";
        }
    }
}
