package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The {@code loop} variable of a for loop. It looks ahead only when asked: the loop's filter may depend on what the body did. */
final class Loop implements Callable {
    private final @Nullable Object source;
    private final Budget budget;
    private final int depth;
    private final java.util.function.@Nullable Function<Object, Object> recursion;
    private Iterator<Object> items;
    private int index = -1;
    private int length = -1;
    private @Nullable Object before;
    private @Nullable Object item;
    private @Nullable Object after;
    private @Nullable List<Object> lastChanged;

    /**
     * @param source the iterated value where its length is the loop's, null where the loop has a filter
     * @param recursion what {@code loop(items)} does in a recursive loop
     */
    Loop(
            Iterator<Object> items,
            @Nullable Object source,
            int depth,
            java.util.function.@Nullable Function<Object, Object> recursion,
            Budget budget) {
        this.items = items;
        this.source = source;
        this.depth = depth;
        this.recursion = recursion;
        this.budget = budget;
    }

    /** Moves to the next item; null at the end. */
    @Nullable
    Object next() {
        Object next = peek();
        if (next != null) {
            before = item;
            item = next;
            after = null;
            index++;
        }
        return next;
    }

    private @Nullable Object peek() {
        if (after == null && items.hasNext()) {
            after = items.next();
        }
        return after;
    }

    int length() {
        if (length < 0) {
            int known = source == null ? -1 : Iteration.tryLength(source);
            length = known >= 0 ? known : countRest();
        }
        return length;
    }

    private int countRest() {
        List<Object> rest = new ArrayList<>();
        while (items.hasNext()) {
            budget.step();
            rest.add(items.next());
        }
        items = rest.iterator();
        return rest.size() + index + 1 + (after == null ? 0 : 1);
    }

    /** An attribute, null if there is none of this name. */
    @Nullable
    Object attribute(String name) {
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "first" -> index == 0;
            case "last" -> peek() == null;
            case "length" -> (long) length();
            case "revindex" -> (long) length() - index;
            case "revindex0" -> (long) length() - index - 1;
            case "depth" -> depth + 1L;
            case "depth0" -> (long) depth;
            case "previtem" -> before == null ? new Undefined("UndefinedError: there is no previous item") : before;
            case "nextitem" -> {
                Object next = peek();
                yield next == null ? new Undefined("UndefinedError: there is no next item") : next;
            }
            case "cycle" -> new Function("<bound method LoopContext.cycle>", this::cycle);
            case "changed" -> new Function("<bound method LoopContext.changed>", this::changed);
            default -> null;
        };
    }

    private Object cycle(Arguments arguments) {
        List<Object> values = arguments.positional();
        if (values.isEmpty()) {
            throw JinjaError.type("no items for cycling given");
        }
        return values.get(index % values.size());
    }

    private Object changed(Arguments arguments) {
        boolean same = lastChanged != null && Operators.equal(lastChanged, arguments.positional(), budget);
        lastChanged = arguments.positional();
        return !same;
    }

    @Override
    public Object call(Arguments arguments) {
        if (recursion == null) {
            throw JinjaError.type("The loop must have the 'recursive' marker to be called recursively.");
        }
        return recursion.apply(arguments.only("loop", 1, 1).getFirst());
    }

    @Override
    public String describe() {
        return "<LoopContext " + (index + 1) + "/" + length() + ">";
    }
}
