package dev.apus.models.chat;

import java.time.Clock;
import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions every template finds: jinja2's own and the two that transformers adds. */
final class Globals {
    /** The longest range of jinja2's sandbox. */
    private static final int MAX_RANGE = 100_000;

    private Globals() {}

    static void define(Scope scope, Budget budget, Clock clock) {
        scope.set("range", new Function("<function safe_range>", Globals::range));
        scope.set("namespace", new Function("<class 'Namespace'>", a -> namespace(a, budget)));
        scope.set("dict", new Function("<TemplateDict object>", a -> dict(a, budget)));
        scope.set("raise_exception", new Function("<function raise_exception>", a -> raise(a, budget)));
        scope.set("strftime_now", new Function("<function strftime_now>", a -> strftime(a, clock, budget)));
        scope.set("cycler", new Function("<class 'jinja2.utils.Cycler'>", a -> new Methods.Cycler(a.positional())));
        scope.set("joiner", new Function("<class 'jinja2.utils.Joiner'>", Methods.Joiner::new));
    }

    private static Object range(Arguments arguments) {
        List<Object> a = arguments.only("range", 1, 3);
        long start = a.size() == 1 ? 0 : Numbers.longIndex(a.get(0));
        long stop = Numbers.longIndex(a.get(a.size() == 1 ? 0 : 1));
        long step = a.size() == 3 ? Numbers.longIndex(a.get(2)) : 1;
        if (step == 0) {
            throw JinjaError.value("range() arg 3 must not be zero");
        }
        double span = step > 0 ? (double) stop - start : (double) start - stop;
        double size = Math.max(0, Math.ceil(span / Math.abs((double) step)));
        if (size > MAX_RANGE) {
            throw new JinjaError("OverflowError: Range too big. The sandbox blocks ranges larger than MAX_RANGE ("
                    + MAX_RANGE + ").");
        }
        return new PyRange(start, stop, step, (int) size);
    }

    private static Object namespace(Arguments arguments, Budget budget) {
        Namespace namespace = new Namespace();
        dict(arguments, budget).forEach((key, value) -> namespace.set(PythonText.str(key, budget), value));
        return namespace;
    }

    private static Map<Object, Object> dict(Arguments arguments, Budget budget) {
        Map<Object, Object> map = new LinkedHashMap<>();
        if (arguments.positional().size() > 1) {
            throw JinjaError.type("dict expected at most 1 argument, got "
                    + arguments.positional().size());
        }
        for (Object source : arguments.positional()) {
            if (source instanceof Map<?, ?> other) {
                budget.elements(other.size());
                map.putAll(other);
                continue;
            }
            for (Object pair : Iteration.list(source, budget)) {
                List<Object> items = Iteration.list(pair, budget);
                if (items.size() != 2) {
                    throw JinjaError.value(
                            "dictionary update sequence element has length " + items.size() + "; 2 is required");
                }
                Dicts.put(map, items.get(0), items.get(1), budget);
            }
        }
        map.putAll(arguments.named());
        return map;
    }

    private static Object raise(Arguments arguments, Budget budget) {
        Object message = java.util.Objects.requireNonNull(arguments.bind("raise_exception", 1, "message")[0]);
        throw new JinjaError(PythonText.str(message, budget));
    }

    private static Object strftime(Arguments arguments, Clock clock, Budget budget) {
        Object format = java.util.Objects.requireNonNull(arguments.bind("strftime_now", 1, "format")[0]);
        if (!(Operators.plain(format) instanceof String text)) {
            throw JinjaError.type("strftime() argument must be str, not " + PythonText.typeName(format));
        }
        budget.text(text.length() * 16L);
        return Strftime.format(text, ZonedDateTime.now(clock));
    }
}
