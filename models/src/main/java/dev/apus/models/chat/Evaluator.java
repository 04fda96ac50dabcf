package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Computes expressions in one rendering. */
final class Evaluator {
    private final Renderer renderer;
    private final Budget budget;
    private final Access access;
    private final Filters filters;
    private final Predicates predicates;

    Evaluator(Renderer renderer, Budget budget) {
        this.renderer = renderer;
        this.budget = budget;
        this.access = new Access(budget);
        this.predicates = new Predicates(budget);
        this.filters = new Filters(budget, access, predicates);
    }

    Object evaluate(Expr expression, Scope scope) {
        budget.step();
        budget.enter();
        Object value =
                switch (expression) {
                    case Expr.Const c -> c.value();
                    case Expr.Name n -> name(n.name(), scope);
                    case Expr.Attribute a -> {
                        Object target = evaluate(a.target(), scope);
                        renderer.at(a.line());
                        yield access.attribute(target, a.name());
                    }
                    case Expr.Item i -> {
                        Object target = evaluate(i.target(), scope);
                        Object key = evaluate(i.key(), scope);
                        renderer.at(i.line());
                        yield access.item(target, key);
                    }
                    case Expr.Compare c -> compare(c, scope);
                    case Expr.Binary b -> {
                        Object left = evaluate(b.left(), scope);
                        Object right = evaluate(b.right(), scope);
                        renderer.at(b.line());
                        yield Operators.binary(b.operator(), left, right, budget);
                    }
                    case Expr.And a -> {
                        Object left = evaluate(a.left(), scope);
                        yield Operators.truth(left) ? evaluate(a.right(), scope) : left;
                    }
                    case Expr.Or o -> {
                        Object left = evaluate(o.left(), scope);
                        yield Operators.truth(left) ? left : evaluate(o.right(), scope);
                    }
                    case Expr.Not n -> !Operators.truth(evaluate(n.value(), scope));
                    case Expr.Test t -> test(t, scope);
                    case Expr.Filter f -> filter(f, scope);
                    case Expr.Call c -> call(c, arguments(c.arguments(), scope), scope);
                    case Expr.Concat c -> concat(c, scope);
                    case Expr.Conditional c -> conditional(c, scope);
                    case Expr.Slice s -> slice(s, scope);
                    case Expr.ListLiteral l -> items(l.items(), scope);
                    case Expr.TupleLiteral t -> new Tuple(items(t.items(), scope));
                    case Expr.DictLiteral d -> dict(d, scope);
                    case Expr.Negative n -> signed(n.value(), n.line(), true, scope);
                    case Expr.Positive p -> signed(p.value(), p.line(), false, scope);
                    case Expr.BodyText b -> renderer.capture(b.body(), new Scope(scope));
                };
        budget.leave();
        return value;
    }

    private static Object name(String name, Scope scope) {
        Object value = scope.get(name);
        return value != null ? value : Undefined.name(name);
    }

    private boolean compare(Expr.Compare compare, Scope scope) {
        Object left = evaluate(compare.first(), scope);
        for (int i = 0; i < compare.rest().size(); i++) {
            Object right = evaluate(compare.rest().get(i), scope);
            renderer.at(compare.line());
            if (!Operators.compare(compare.operators().get(i), left, right, budget)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object test(Expr.Test test, Scope scope) {
        Object value = evaluate(test.value(), scope);
        Arguments arguments = arguments(test.arguments(), scope);
        renderer.at(test.line());
        return predicates.test(test.name(), value, arguments);
    }

    private Object filter(Expr.Filter filter, Scope scope) {
        Object value = evaluate(filter.value(), scope);
        Arguments arguments = arguments(filter.arguments(), scope);
        renderer.at(filter.line());
        return filters.apply(filter.name(), value, arguments);
    }

    Object call(Expr.Call call, Arguments arguments, Scope scope) {
        Object function = evaluate(call.function(), scope);
        renderer.at(call.line());
        if (function instanceof Callable callable) {
            return callable.call(arguments);
        }
        if (function instanceof Undefined u) {
            throw u.error();
        }
        throw JinjaError.type("'" + PythonText.typeName(function) + "' object is not callable");
    }

    Arguments arguments(Expr.Arguments arguments, Scope scope) {
        if (arguments.isEmpty()) {
            return Arguments.NONE;
        }
        List<Object> positional = items(arguments.positional(), scope);
        Map<String, Object> named = arguments.names().isEmpty() ? Map.of() : new LinkedHashMap<>();
        for (int i = 0; i < arguments.names().size(); i++) {
            named.put(arguments.names().get(i), evaluate(arguments.named().get(i), scope));
        }
        if (arguments.star() != null) {
            positional.addAll(Iteration.list(evaluate(arguments.star(), scope), budget));
        }
        if (arguments.doubleStar() != null) {
            named = new LinkedHashMap<>(named);
            spread(evaluate(arguments.doubleStar(), scope), named);
        }
        return new Arguments(positional, named);
    }

    private static void spread(Object value, Map<String, Object> named) {
        if (!(value instanceof Map<?, ?> map)) {
            throw JinjaError.type("argument after ** must be a mapping, not " + PythonText.typeName(value));
        }
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!(entry.getKey() instanceof String key)) {
                throw JinjaError.type("keywords must be strings");
            }
            if (named.put(key, entry.getValue()) != null) {
                throw JinjaError.type("got multiple values for keyword argument '" + key + "'");
            }
        }
    }

    private List<Object> items(List<Expr> expressions, Scope scope) {
        List<Object> values = new ArrayList<>(expressions.size());
        for (Expr expression : expressions) {
            values.add(evaluate(expression, scope));
        }
        return values;
    }

    private Object dict(Expr.DictLiteral dict, Scope scope) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < dict.keys().size(); i++) {
            Object key = evaluate(dict.keys().get(i), scope);
            Dicts.put(map, key, evaluate(dict.values().get(i), scope), budget);
        }
        return map;
    }

    private Object concat(Expr.Concat concat, Scope scope) {
        StringBuilder text = new StringBuilder();
        for (Object part : items(concat.parts(), scope)) {
            text.append(PythonText.str(part, budget));
            budget.room(text);
        }
        budget.text(text.length());
        return text.toString();
    }

    private Object conditional(Expr.Conditional conditional, Scope scope) {
        if (Operators.truth(evaluate(conditional.test(), scope))) {
            return evaluate(conditional.then(), scope);
        }
        return conditional.otherwise() != null
                ? evaluate(conditional.otherwise(), scope)
                : new Undefined(
                        "UndefinedError: the inline if-expression evaluated to false and no else section was defined.");
    }

    private Object slice(Expr.Slice slice, Scope scope) {
        Object target = evaluate(slice.target(), scope);
        Object start = optional(slice.start(), scope);
        Object stop = optional(slice.stop(), scope);
        Object step = optional(slice.step(), scope);
        renderer.at(slice.line());
        return access.slice(target, start, stop, step);
    }

    private Object optional(@Nullable Expr expression, Scope scope) {
        return expression == null ? None.NONE : evaluate(expression, scope);
    }

    private Object signed(Expr operand, int line, boolean negative, Scope scope) {
        Object value = evaluate(operand, scope);
        renderer.at(line);
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (!Numbers.isNumber(value)) {
            throw JinjaError.type(
                    "bad operand type for unary " + (negative ? "-" : "+") + ": '" + PythonText.typeName(value) + "'");
        }
        return negative ? Numbers.negative(value) : value instanceof Boolean b ? (Object) (b ? 1L : 0L) : value;
    }
}
