package dev.apus.models.chat;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** The tests of {@code value is name}. */
final class Predicates {
    private static final Set<String> NAMES = Set.of(
            "odd",
            "even",
            "divisibleby",
            "defined",
            "undefined",
            "filter",
            "test",
            "none",
            "boolean",
            "false",
            "true",
            "integer",
            "float",
            "lower",
            "upper",
            "string",
            "mapping",
            "number",
            "sequence",
            "iterable",
            "callable",
            "sameas",
            "escaped",
            "in",
            "==",
            "eq",
            "equalto",
            "!=",
            "ne",
            ">",
            "gt",
            "greaterthan",
            "ge",
            ">=",
            "<",
            "lt",
            "lessthan",
            "<=",
            "le");

    private final Budget budget;

    Predicates(Budget budget) {
        this.budget = budget;
    }

    static boolean exists(String name) {
        return NAMES.contains(name);
    }

    boolean test(String name, Object value, Arguments arguments) {
        List<Object> operands = arguments.only(name, 0, 1);
        return operands.isEmpty() ? unary(name, value) : binary(name, value, operands.getFirst());
    }

    private boolean unary(String name, Object value) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == None.NONE;
            case "boolean" -> value instanceof Boolean;
            case "true" -> value.equals(true);
            case "false" -> value.equals(false);
            case "integer" -> Numbers.isInt(value) && !(value instanceof Boolean);
            case "float" -> value instanceof Double;
            case "number" -> Numbers.isNumber(value);
            case "string" -> value instanceof String || value instanceof Markup;
            case "mapping" -> value instanceof Map<?, ?>;
            case "sequence" ->
                value instanceof String
                        || value instanceof List<?>
                        || value instanceof Map<?, ?>
                        || value instanceof Markup
                        || value instanceof Undefined;
            case "iterable" -> Iteration.tryOver(value, budget) != null || value instanceof Loop;
            case "callable" -> value instanceof Callable || value instanceof Undefined;
            case "escaped" -> value instanceof Markup;
            case "odd" -> remainder(value, 2L) == 1;
            case "even" -> remainder(value, 2L) == 0;
            case "lower" -> isCase(scanned(value), false);
            case "upper" -> isCase(scanned(value), true);
            case "filter" -> value instanceof String s && Filters.exists(s);
            case "test" -> value instanceof String s && exists(s);
            default -> throw missing(name, "takes one argument");
        };
    }

    private boolean binary(String name, Object value, Object operand) {
        return switch (name) {
            case "==", "eq", "equalto" -> Operators.equal(value, operand, budget);
            case "!=", "ne" -> !Operators.equal(value, operand, budget);
            case ">", "gt", "greaterthan" -> Operators.compare(">", value, operand, budget);
            case ">=", "ge" -> Operators.compare(">=", value, operand, budget);
            case "<", "lt", "lessthan" -> Operators.compare("<", value, operand, budget);
            case "<=", "le" -> Operators.compare("<=", value, operand, budget);
            case "in" -> Operators.contains(operand, value, budget);
            case "divisibleby" -> remainder(value, operand) == 0;
            case "sameas" -> same(value, operand);
            default -> throw missing(name, "takes no argument");
        };
    }

    private static JinjaError missing(String name, String what) {
        return exists(name)
                ? JinjaError.type("the test '" + name + "' " + what)
                : new JinjaError("TemplateRuntimeError: No test named '" + name + "'.");
    }

    private double remainder(Object value, Object divisor) {
        return Numbers.asDouble(Operators.binary("%", value, divisor, budget));
    }

    @SuppressWarnings("ReferenceEquality") // The test "sameas" asks for identity.
    private static boolean same(Object a, Object b) {
        boolean immutable = a instanceof String || a instanceof Boolean || a instanceof Long || a == None.NONE;
        return a == b || (immutable && a.equals(b));
    }

    private String scanned(Object value) {
        String text = PythonText.str(value, budget);
        budget.scan(text.length());
        return text;
    }

    static boolean isCase(String s, boolean upper) {
        boolean cased = false;
        for (int i = 0; i < s.length(); ) {
            int c = s.codePointAt(i);
            if (Character.isTitleCase(c) || (upper ? Character.isLowerCase(c) : Character.isUpperCase(c))) {
                return false;
            }
            cased |= PythonStrings.isCased(c);
            i += Character.charCount(c);
        }
        return cased;
    }
}
