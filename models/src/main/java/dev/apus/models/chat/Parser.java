package dev.apus.models.chat;

import dev.apus.models.chat.Token.Kind;
import java.util.ArrayList;
import java.util.List;

/**
 * Expressions of jinja2's grammar, by recursive descent, with jinja2's precedence: the operators, filters and tests around what
 * {@link PrimaryParser} reads. {@link StatementParser} adds the statements.
 */
sealed class Parser extends PrimaryParser permits StatementParser {
    private static final List<String> COMPARISONS = List.of("==", "!=", "<", "<=", ">", ">=");

    /** Filters and tests that do not exist: an error unless a condition around them may keep them from running. */
    final List<String> unknown = new ArrayList<>();

    Parser(List<Token> tokens) {
        super(tokens);
    }

    @Override
    final Expr expression() {
        return conditional();
    }

    private Expr conditional() {
        nest();
        int hidden = unknown.size();
        Expr value = or();
        boolean isConditional = false;
        while (skipName("if")) {
            isConditional = true;
            Expr test = or();
            Expr otherwise = skipName("else") ? conditional() : null;
            value = new Expr.Conditional(test, value, otherwise);
        }
        if (isConditional) {
            forgetUnknown(hidden);
        }
        unnest();
        return value;
    }

    final void forgetUnknown(int from) {
        unknown.subList(from, unknown.size()).clear();
    }

    @Override
    final Expr or() {
        Expr left = and();
        while (skipName("or")) {
            left = new Expr.Or(left, and());
        }
        return left;
    }

    private Expr and() {
        Expr left = not();
        while (skipName("and")) {
            left = new Expr.And(left, not());
        }
        return left;
    }

    private Expr not() {
        if (!skipName("not")) {
            return compare();
        }
        nest();
        Expr value = new Expr.Not(not());
        unnest();
        return value;
    }

    private Expr compare() {
        int line = line();
        Expr first = sum();
        List<String> operators = new ArrayList<>();
        List<Expr> rest = new ArrayList<>();
        while (true) {
            Token token = current();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.value())) {
                operators.add((String) next().value());
            } else if (skipName("in")) {
                operators.add("in");
            } else if (token.isName("not") && look().isName("in")) {
                next();
                next();
                operators.add("not in");
            } else {
                break;
            }
            rest.add(sum());
        }
        return operators.isEmpty() ? first : new Expr.Compare(first, operators, rest, line);
    }

    private Expr sum() {
        Expr left = concat();
        while (current().isOperator("+") || current().isOperator("-")) {
            int line = line();
            String operator = (String) next().value();
            left = new Expr.Binary(operator, left, concat(), line);
        }
        return left;
    }

    private Expr concat() {
        Expr first = product();
        if (!current().isOperator("~")) {
            return first;
        }
        List<Expr> parts = new ArrayList<>(List.of(first));
        while (skipOperator("~")) {
            parts.add(product());
        }
        return new Expr.Concat(parts);
    }

    private Expr product() {
        Expr left = power();
        while (current().isOperator("*")
                || current().isOperator("/")
                || current().isOperator("//")
                || current().isOperator("%")) {
            int line = line();
            String operator = (String) next().value();
            left = new Expr.Binary(operator, left, power(), line);
        }
        return left;
    }

    /** Unlike Python's, jinja2's power binds to the left. */
    private Expr power() {
        Expr left = unary(true);
        while (current().isOperator("**")) {
            int line = line();
            next();
            left = new Expr.Binary("**", left, unary(true), line);
        }
        return left;
    }

    private Expr unary(boolean withFilter) {
        int line = line();
        Expr value;
        if (current().isOperator("-") || current().isOperator("+")) {
            nest();
            boolean negative = next().isOperator("-");
            Expr operand = unary(false);
            value = negative ? new Expr.Negative(operand, line) : new Expr.Positive(operand, line);
            unnest();
        } else {
            value = primary();
        }
        value = postfix(value);
        return withFilter ? filtersAndTests(value) : value;
    }

    private Expr filtersAndTests(Expr start) {
        Expr value = start;
        while (true) {
            int line = line();
            if (current().isOperator("|")) {
                value = filters(value, false);
            } else if (skipName("is")) {
                value = test(value, line);
            } else if (current().isOperator("(")) {
                value = new Expr.Call(value, arguments(), line);
            } else {
                return value;
            }
        }
    }

    /** A chain of filters; {@code inline} when the first has no bar before it. */
    final Expr filters(Expr start, boolean inline) {
        Expr value = start;
        boolean first = inline;
        while (first || skipOperator("|")) {
            first = false;
            int line = line();
            String name = dotted();
            Expr.Arguments arguments = current().isOperator("(") ? arguments() : Expr.Arguments.NONE;
            if (!Filters.exists(name)) {
                unknown.add("No filter named '" + name + "'.");
            }
            value = new Expr.Filter(value, name, arguments, line);
        }
        return value;
    }

    private String dotted() {
        StringBuilder name = new StringBuilder(expectAnyName());
        while (skipOperator(".")) {
            name.append('.').append(expectAnyName());
        }
        return name.toString();
    }

    private Expr test(Expr value, int line) {
        boolean negated = skipName("not");
        String name = dotted();
        Expr.Arguments arguments = Expr.Arguments.NONE;
        Token token = current();
        boolean operandFollows =
                switch (token.kind()) {
                    case NAME -> !token.isName("else") && !token.isName("or") && !token.isName("and");
                    case STRING, NUMBER -> true;
                    case OPERATOR -> token.isOperator("[") || token.isOperator("{");
                    default -> false;
                };
        if (token.isOperator("(")) {
            arguments = arguments();
        } else if (operandFollows) {
            if (token.isName("is")) {
                throw new JinjaError("You cannot chain multiple tests with is");
            }
            arguments = new Expr.Arguments(List.of(postfix(primary())), List.of(), List.of(), null, null);
        }
        if (!Predicates.exists(name)) {
            unknown.add("No test named '" + name + "'.");
        }
        Expr test = new Expr.Test(value, name, arguments, line);
        return negated ? new Expr.Not(test) : test;
    }
}
