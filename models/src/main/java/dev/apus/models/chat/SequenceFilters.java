package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Filters on sequences. Where Python gives a generator the result is one here: it prints as one and has no length. */
final class SequenceFilters {
    private final Budget budget;
    private final Access access;
    private final Filters filters;
    private final Predicates predicates;

    SequenceFilters(Budget budget, Access access, Filters filters, Predicates predicates) {
        this.budget = budget;
        this.access = access;
        this.filters = filters;
        this.predicates = predicates;
    }

    Object apply(String name, Object value, Arguments a) {
        return switch (name) {
            case "join" -> join(value, a);
            case "list" -> Iteration.list(value, budget);
            case "items" -> items(value);
            case "map" -> map(value, a);
            case "select" -> choose(value, a, false, true);
            case "reject" -> choose(value, a, false, false);
            case "selectattr" -> choose(value, a, true, true);
            case "rejectattr" -> choose(value, a, true, false);
            case "first" -> {
                Iterator<Object> all = Iteration.over(value, budget);
                yield all.hasNext() ? all.next() : new Undefined("UndefinedError: No first item, sequence was empty.");
            }
            case "last" -> last(value);
            case "reverse" -> reverse(value);
            case "sort" -> sort(value, a);
            case "dictsort" -> dictSort(value, a);
            case "unique" -> unique(value, a);
            case "min", "max" -> extreme(name, value, a);
            case "sum" -> sum(value, a);
            case "groupby" -> groupBy(value, a);
            case "batch" -> batch(value, a);
            case "slice" -> slices(value, a);
            default -> throw new IllegalArgumentException("no filter " + name);
        };
    }

    private Object generator(String type, List<Object> items) {
        return new Generator(type, items.iterator());
    }

    private Object join(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("join", 0, "d", "attribute");
        String separator = PythonText.str(Filters.orElse(b[0], ""), budget);
        UnaryOperator<Object> key = getter(Filters.orElse(b[1], None.NONE), null, false);
        StringBuilder out = new StringBuilder();
        boolean first = true;
        Iterator<Object> items = Iteration.over(value, budget);
        while (items.hasNext()) {
            budget.step();
            out.append(first ? "" : separator).append(PythonText.str(key.apply(items.next()), budget));
            budget.room(out);
            first = false;
        }
        budget.text(out.length());
        return out.toString();
    }

    private Object items(Object value) {
        if (value instanceof Undefined) {
            return generator("generator", List.of());
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw JinjaError.type("Can only get item pairs from a mapping.");
        }
        return generator("generator", Methods.items(Access.view(map), budget).items());
    }

    /** What {@code attribute=} takes from an item; a missing one becomes {@code otherwise} if that is given. */
    private UnaryOperator<Object> getter(Object attribute, @Nullable Object otherwise, boolean ignoreCase) {
        List<Object> path = attribute == None.NONE ? List.of() : Filters.path(attribute);
        return item -> {
            Object value = item;
            for (Object part : path) {
                value = access.item(value, part);
                if (value instanceof Undefined && otherwise != null) {
                    value = otherwise;
                }
            }
            return ignoreCase && Operators.plain(value) instanceof String s ? PythonStrings.lower(s) : value;
        };
    }

    private Object map(Object value, Arguments a) {
        List<Object> out = new ArrayList<>();
        UnaryOperator<Object> each;
        if (a.positional().isEmpty() && a.named().containsKey("attribute")) {
            @Nullable Object[] b = a.bind("map", 0, "attribute", "default");
            each = getter(Filters.orElse(b[0], None.NONE), b[1] == None.NONE ? null : b[1], false);
        } else {
            if (a.positional().isEmpty()) {
                throw new JinjaError("map requires a filter argument");
            }
            String name = PythonText.str(a.positional().getFirst(), budget);
            Arguments rest = a.without(1);
            each = item -> filters.apply(name, item, rest);
        }
        Iterator<Object> items = Operators.truth(value) ? Iteration.over(value, budget) : Collections.emptyIterator();
        while (items.hasNext()) {
            budget.step();
            out.add(each.apply(items.next()));
        }
        return generator("generator", out);
    }

    private Object choose(Object value, Arguments a, boolean byAttribute, boolean keep) {
        int offset = byAttribute ? 1 : 0;
        if (a.positional().size() < offset) {
            throw new JinjaError("Missing parameter for attribute name");
        }
        UnaryOperator<Object> key = getter(byAttribute ? a.positional().getFirst() : None.NONE, null, false);
        boolean tested = a.positional().size() > offset;
        String test = tested ? PythonText.str(a.positional().get(offset), budget) : "";
        Arguments rest = tested ? a.without(offset + 1) : Arguments.NONE;
        List<Object> out = new ArrayList<>();
        Iterator<Object> items = Operators.truth(value) ? Iteration.over(value, budget) : Collections.emptyIterator();
        while (items.hasNext()) {
            budget.step();
            Object item = items.next();
            Object tried = key.apply(item);
            boolean passes = tested ? predicates.test(test, tried, rest) : Operators.truth(tried);
            if (passes == keep) {
                out.add(item);
            }
        }
        return generator("generator", out);
    }

    private static JinjaError notReversible(Object value) {
        return JinjaError.type("'" + PythonText.typeName(value) + "' object is not reversible");
    }

    private Object last(Object value) {
        if (value instanceof Generator || value instanceof Undefined) {
            throw value instanceof Undefined u ? u.error() : notReversible(value);
        }
        List<Object> all = Iteration.list(value, budget);
        return all.isEmpty() ? new Undefined("UndefinedError: No last item, sequence was empty.") : all.getLast();
    }

    private Object reverse(Object value) {
        if (Operators.plain(value) instanceof String s) {
            budget.text(s.length());
            return new StringBuilder(s).reverse().toString();
        }
        List<Object> all = Iteration.list(value, budget);
        return value instanceof Generator ? all.reversed() : generator(reversedType(value), all.reversed());
    }

    private static String reversedType(Object value) {
        return value instanceof List<?> && !(value instanceof Tuple) ? "list_reverseiterator" : "reversed";
    }

    private static boolean flag(@Nullable Object value) {
        return value != null && Operators.truth(value);
    }

    private Object sort(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("sort", 0, "reverse", "case_sensitive", "attribute");
        List<Object> all = Iteration.list(value, budget);
        Object attribute = Filters.orElse(b[2], None.NONE);
        List<UnaryOperator<Object>> keys = new ArrayList<>();
        for (String part : attribute instanceof String s ? s.split(",", -1) : new String[0]) {
            keys.add(getter(part, null, !flag(b[1])));
        }
        if (keys.isEmpty()) {
            keys.add(getter(attribute, null, !flag(b[1])));
        }
        Operators.sort(all, item -> keyList(keys, item), flag(b[0]), budget);
        return all;
    }

    private static List<Object> keyList(List<UnaryOperator<Object>> keys, Object item) {
        List<Object> list = new ArrayList<>(keys.size());
        for (UnaryOperator<Object> key : keys) {
            list.add(key.apply(item));
        }
        return list;
    }

    private Object dictSort(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("dictsort", 0, "case_sensitive", "by", "reverse");
        String by = PythonText.str(Filters.orElse(b[1], "key"), budget);
        if (!by.equals("key") && !by.equals("value")) {
            throw new JinjaError("You can only sort by either \"key\" or \"value\"");
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw value instanceof Undefined u
                    ? u.error()
                    : JinjaError.type("dictsort needs a mapping, not " + PythonText.typeName(value));
        }
        List<Object> pairs =
                new ArrayList<>(Methods.items(Access.view(map), budget).items());
        UnaryOperator<Object> key = getter(by.equals("key") ? 0L : 1L, null, !flag(b[0]));
        Operators.sort(pairs, key, flag(b[2]), budget);
        return pairs;
    }

    private Object unique(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("unique", 0, "case_sensitive", "attribute");
        UnaryOperator<Object> key = getter(Filters.orElse(b[1], None.NONE), null, !flag(b[0]));
        Map<Object, Object> seen = new java.util.HashMap<>();
        List<Object> out = new ArrayList<>();
        for (Object item : Iteration.list(value, budget)) {
            Object mark = key.apply(item);
            Dicts.requireHashable(mark, budget);
            if (Dicts.find(seen, mark, budget) == null) {
                Dicts.put(seen, mark, true, budget);
                out.add(item);
            }
        }
        return generator("generator", out);
    }

    private Object extreme(String name, Object value, Arguments a) {
        @Nullable Object[] b = a.bind(name, 0, "case_sensitive", "attribute");
        UnaryOperator<Object> key = getter(Filters.orElse(b[1], None.NONE), null, !flag(b[0]));
        Iterator<Object> items = Iteration.over(value, budget);
        if (!items.hasNext()) {
            return new Undefined("UndefinedError: No aggregated item, sequence was empty.");
        }
        Object best = items.next();
        Object bestKey = key.apply(best);
        while (items.hasNext()) {
            Object item = items.next();
            Object itemKey = key.apply(item);
            if (Operators.compare(name.equals("min") ? "<" : ">", itemKey, bestKey, budget)) {
                best = item;
                bestKey = itemKey;
            }
        }
        return best;
    }

    private Object sum(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("sum", 0, "attribute", "start");
        UnaryOperator<Object> key = getter(Filters.orElse(b[0], None.NONE), null, false);
        Object total = Filters.orElse(b[1], 0L);
        if (Operators.plain(total) instanceof String) {
            throw JinjaError.type("sum() can't sum strings [use ''.join(seq) instead]");
        }
        for (Object item : Iteration.list(value, budget)) {
            total = Operators.binary("+", total, key.apply(item), budget);
        }
        return total;
    }

    private Object groupBy(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("groupby", 1, "attribute", "default", "case_sensitive");
        Object attribute = Filters.orElse(b[0], None.NONE);
        Object otherwise = b[1] == None.NONE ? null : b[1];
        UnaryOperator<Object> key = getter(attribute, otherwise, !flag(b[2]));
        UnaryOperator<Object> label = getter(attribute, otherwise, false);
        List<Object> sorted = Iteration.list(value, budget);
        Operators.sort(sorted, key, false, budget);
        List<Object> groups = new ArrayList<>();
        List<Object> group = new ArrayList<>();
        for (Object item : sorted) {
            if (group.isEmpty() || !Operators.equal(key.apply(group.getFirst()), key.apply(item), budget)) {
                group = new ArrayList<>();
                groups.add(Tuple.of(label.apply(item), group));
            }
            group.add(item);
        }
        return groups;
    }

    private Object batch(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("batch", 1, "linecount", "fill_with");
        int size = Numbers.index(Filters.orElse(b[0], 1L));
        Object fill = Filters.orElse(b[1], None.NONE);
        List<Object> out = new ArrayList<>();
        List<Object> row = new ArrayList<>();
        for (Object item : Iteration.list(value, budget)) {
            if (row.size() == size) {
                out.add(row);
                row = new ArrayList<>();
            }
            row.add(item);
        }
        if (!row.isEmpty()) {
            budget.elements(fill == None.NONE ? 0 : size);
            while (fill != None.NONE && row.size() < size) {
                row.add(fill);
            }
            out.add(row);
        }
        return generator("generator", out);
    }

    private Object slices(Object value, Arguments a) {
        @Nullable Object[] b = a.bind("slice", 1, "slices", "fill_with");
        int count = Numbers.index(Filters.orElse(b[0], 1L));
        Object fill = Filters.orElse(b[1], None.NONE);
        if (count == 0) {
            throw new JinjaError("ZeroDivisionError: integer division or modulo by zero");
        }
        List<Object> all = Iteration.list(value, budget);
        budget.elements(Math.max(0, count));
        List<Object> out = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < count; i++) {
            boolean extra = i < all.size() % count;
            int stop = start + all.size() / count + (extra ? 1 : 0);
            List<Object> slice = new ArrayList<>(all.subList(start, stop));
            if (fill != None.NONE && !extra) {
                slice.add(fill);
            }
            out.add(slice);
            start = stop;
        }
        return generator("generator", out);
    }
}
