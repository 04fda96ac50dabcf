package dev.apus.models.chat;

import dev.apus.models.chat.Node.MacroCode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A macro with the scope it was defined in. */
final class Macro implements Callable {
    private final MacroCode code;
    private final Scope definition;
    private final Renderer renderer;

    Macro(MacroCode code, Scope definition, Renderer renderer) {
        this.code = code;
        this.definition = definition;
        this.renderer = renderer;
    }

    String name() {
        return code.name();
    }

    @Override
    public Object call(Arguments arguments) {
        List<String> parameters = code.parameters();
        List<Object> positional = arguments.positional();
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        Scope scope = new Scope(definition);
        int firstDefault = parameters.size() - code.defaults().size();
        boolean callerTaken = false;
        for (int i = 0; i < parameters.size(); i++) {
            String parameter = parameters.get(i);
            callerTaken |= parameter.equals("caller");
            Object value = i < positional.size() ? positional.get(i) : named.remove(parameter);
            if (value == null && i >= firstDefault) {
                value = renderer.evaluator().evaluate(code.defaults().get(i - firstDefault), scope);
            }
            scope.set(
                    parameter,
                    value != null
                            ? value
                            : new Undefined("UndefinedError: parameter '" + parameter + "' was not provided"));
        }
        if (code.usesCaller() && !callerTaken) {
            Object caller = named.remove("caller");
            scope.set("caller", caller != null ? caller : new Undefined("UndefinedError: No caller defined"));
        }
        rest(positional, named, scope);
        return renderer.capture(code.body(), scope);
    }

    private void rest(List<Object> positional, Map<String, Object> named, Scope scope) {
        int count = code.parameters().size();
        if (code.usesKwargs()) {
            scope.set("kwargs", new LinkedHashMap<Object, Object>(named));
        } else if (!named.isEmpty()) {
            throw JinjaError.type("macro '" + code.name() + "' takes no keyword argument '"
                    + named.keySet().iterator().next() + "'");
        }
        if (code.usesVarargs()) {
            List<Object> more = positional.subList(Math.min(count, positional.size()), positional.size());
            scope.set("varargs", new Tuple(new ArrayList<>(more)));
        } else if (positional.size() > count) {
            throw JinjaError.type("macro '" + code.name() + "' takes not more than " + count + " argument(s)");
        }
    }

    @Override
    public String describe() {
        return "<Macro '" + code.name() + "'>";
    }
}
