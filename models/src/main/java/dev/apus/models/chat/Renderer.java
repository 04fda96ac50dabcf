package dev.apus.models.chat;

import dev.apus.models.chat.Node.Target;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** Runs the statements of one template once. Not thread-safe: each rendering has its own. */
final class Renderer {
    /** How a body ended. */
    private enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    private final Budget budget;
    private final Evaluator evaluator;
    private StringBuilder out = new StringBuilder(1024);
    private int line = 1;

    Renderer(Budget budget) {
        this.budget = budget;
        this.evaluator = new Evaluator(this, budget);
    }

    Evaluator evaluator() {
        return evaluator;
    }

    /** Remembers the line that an error now would be on. */
    void at(int line) {
        this.line = line;
    }

    int line() {
        return line;
    }

    String render(List<Node> body, Scope scope) {
        run(body, scope);
        return out.toString();
    }

    /** The output of a body as a string. */
    String capture(List<Node> body, Scope scope) {
        StringBuilder outer = out;
        out = new StringBuilder();
        run(body, scope);
        String text = out.toString();
        out = outer;
        budget.text(text.length());
        return text;
    }

    private Flow run(List<Node> body, Scope scope) {
        budget.enter();
        for (int i = 0; i < body.size(); i++) {
            Flow flow = run(body.get(i), scope);
            if (flow != Flow.ON) {
                budget.leave();
                return flow;
            }
        }
        budget.leave();
        return Flow.ON;
    }

    private Flow run(Node node, Scope scope) {
        budget.step();
        switch (node) {
            case Node.Text t -> write(t.text());
            case Node.Output o -> {
                at(o.line());
                write(PythonText.str(evaluator.evaluate(o.value(), scope), budget));
            }
            case Node.If i -> {
                return condition(i, scope);
            }
            case Node.For f -> {
                at(f.line());
                loop(f, evaluator.evaluate(f.iterable(), scope), 0, scope);
            }
            case Node.Set s -> {
                at(s.line());
                assign(s.target(), evaluator.evaluate(s.value(), scope), scope, scope);
            }
            case Node.With w -> with(w, scope);
            case Node.MacroDefinition m -> scope.set(m.code().name(), new Macro(m.code(), scope, this));
            case Node.CallBlock c -> callBlock(c, scope);
            case Node.Scoped s -> run(s.body(), new Scope(scope));
            case Node.Block b -> run(b.body(), new Scope(b.scoped() ? scope : scope.top()));
            case Node.Break _ -> {
                return Flow.BREAK;
            }
            case Node.Continue _ -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.ON;
    }

    private void write(String text) {
        out.append(text);
        budget.text(text.length());
        budget.room(out);
    }

    private Flow condition(Node.If condition, Scope scope) {
        at(condition.line());
        for (int i = 0; i < condition.tests().size(); i++) {
            if (Operators.truth(evaluator.evaluate(condition.tests().get(i), scope))) {
                return run(condition.bodies().get(i), scope);
            }
        }
        return run(condition.otherwise(), scope);
    }

    private void with(Node.With with, Scope scope) {
        Scope inner = new Scope(scope);
        for (int i = 0; i < with.targets().size(); i++) {
            assign(with.targets().get(i), evaluator.evaluate(with.values().get(i), scope), inner, scope);
        }
        run(with.body(), inner);
    }

    private void callBlock(Node.CallBlock block, Scope scope) {
        Arguments given = evaluator.arguments(block.call().arguments(), scope);
        Map<String, Object> named = new LinkedHashMap<>(given.named());
        named.put("caller", new Macro(block.caller(), scope, this));
        Object result = evaluator.call(block.call(), new Arguments(given.positional(), named), scope);
        write(PythonText.str(result, budget));
    }

    private void loop(Node.For node, Object iterable, int depth, Scope scope) {
        Iterator<Object> items = Iteration.over(iterable, budget);
        Iterator<Object> chosen = node.test() == null ? items : new Filtered(items, node, scope);
        java.util.function.Function<Object, Object> recursion =
                node.recursive() ? next -> recurse(node, next, depth + 1, scope) : null;
        Loop loop = new Loop(chosen, node.test() == null ? iterable : null, depth, recursion, budget);
        boolean any = false;
        for (Object item = loop.next(); item != null; item = loop.next()) {
            any = true;
            budget.step();
            Scope inner = new Scope(scope);
            inner.set("loop", loop);
            assign(node.target(), item, inner, inner);
            if (run(node.body(), inner) == Flow.BREAK) {
                break;
            }
        }
        if (!any) {
            run(node.otherwise(), new Scope(scope));
        }
    }

    private Object recurse(Node.For node, Object iterable, int depth, Scope scope) {
        StringBuilder outer = out;
        out = new StringBuilder();
        budget.enter();
        loop(node, iterable, depth, scope);
        budget.leave();
        String text = out.toString();
        out = outer;
        budget.text(text.length());
        return text;
    }

    private void assign(Target target, Object value, Scope scope, Scope namespaces) {
        switch (target) {
            case Target.Variable v -> scope.set(v.name(), value);
            case Target.Member m -> {
                if (!(namespaces.get(m.namespace()) instanceof Namespace namespace)) {
                    throw new JinjaError("cannot assign attribute on non-namespace object '" + m.namespace() + "'");
                }
                namespace.set(m.name(), value);
            }
            case Target.Several s -> {
                List<Object> values = Iteration.list(value, budget);
                if (values.size() != s.targets().size()) {
                    throw JinjaError.value("cannot unpack " + values.size() + " values into "
                            + s.targets().size());
                }
                for (int i = 0; i < values.size(); i++) {
                    assign(s.targets().get(i), values.get(i), scope, namespaces);
                }
            }
        }
    }

    /** The items that pass a loop's test, tested one by one as the loop asks for them. */
    private final class Filtered implements Iterator<Object> {
        private final Iterator<Object> items;
        private final Node.For node;
        private final Scope scope;
        private @Nullable Object found;

        Filtered(Iterator<Object> items, Node.For node, Scope scope) {
            this.items = items;
            this.node = node;
            this.scope = scope;
        }

        @Override
        public boolean hasNext() {
            while (found == null && items.hasNext()) {
                Object item = items.next();
                Scope inner = new Scope(scope);
                assign(node.target(), item, inner, inner);
                if (node.test() != null && Operators.truth(evaluator.evaluate(node.test(), inner))) {
                    found = item;
                }
            }
            return found != null;
        }

        @Override
        public Object next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Object item = found;
            found = null;
            return java.util.Objects.requireNonNull(item);
        }
    }
}
