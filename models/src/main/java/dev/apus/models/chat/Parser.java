package dev.apus.models.chat;

import dev.apus.models.chat.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Expressions of jinja2's grammar, by recursive descent, with jinja2's precedence. {@link StatementParser} adds the statements. */
sealed class Parser extends TokenReader permits StatementParser {
    private static final List<String> COMPARISONS = List.of("==", "!=", "<", "<=", ">", ">=");

    /** Names of the special macro variables seen so far; a macro accepts what its body names. */
    boolean sawVarargs;

    boolean sawKwargs;
    boolean sawCaller;
    /** Filters and tests that do not exist: an error unless a condition around them may keep them from running. */
    final List<String> unknown = new ArrayList<>();

    Parser(List<Token> tokens) {
        super(tokens);
    }

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

    final Expr primary() {
        Token token = current();
        return switch (token.kind()) {
            case NAME -> name((String) next().value());
            case STRING -> strings();
            case NUMBER -> new Expr.Const(next().value());
            default -> bracketed(token);
        };
    }

    /** String literals side by side are one string. */
    private Expr strings() {
        StringBuilder text = new StringBuilder();
        while (current().kind() == Kind.STRING) {
            text.append((String) next().value());
        }
        return new Expr.Const(text.toString());
    }

    private Expr bracketed(Token token) {
        if (skipOperator("(")) {
            Expr value = tuple(true, true, null);
            expectOperator(")");
            return value;
        }
        if (skipOperator("[")) {
            return new Expr.ListLiteral(items("]"));
        }
        if (skipOperator("{")) {
            return dict();
        }
        throw new JinjaError("unexpected '" + token.describe() + "'");
    }

    private Expr name(String name) {
        switch (name) {
            case "true", "True" -> {
                return new Expr.Const(true);
            }
            case "false", "False" -> {
                return new Expr.Const(false);
            }
            case "none", "None" -> {
                return new Expr.Const(None.NONE);
            }
            case "varargs" -> sawVarargs = true;
            case "kwargs" -> sawKwargs = true;
            case "caller" -> sawCaller = true;
            default -> {
                // An ordinary variable.
            }
        }
        return new Expr.Name(name);
    }

    /**
     * An expression, or a tuple if a comma follows.
     *
     * @param conditional whether {@code a if b else c} may stand here
     * @param parentheses whether brackets around make an empty tuple possible
     * @param endName a name that ends the tuple after a comma
     */
    final Expr tuple(boolean conditional, boolean parentheses, @Nullable String endName) {
        nest();
        List<Expr> items = new ArrayList<>();
        boolean isTuple = false;
        while (!tupleEnds(endName)) {
            items.add(conditional ? expression() : or());
            if (!skipOperator(",")) {
                break;
            }
            isTuple = true;
        }
        unnest();
        if (!isTuple && items.size() == 1) {
            return items.getFirst();
        }
        if (items.isEmpty() && !parentheses) {
            throw new JinjaError("Expected an expression, got '" + current().describe() + "'");
        }
        return new Expr.TupleLiteral(items);
    }

    private boolean tupleEnds(@Nullable String endName) {
        Token token = current();
        return token.kind() == Kind.OUTPUT_END
                || token.kind() == Kind.BLOCK_END
                || token.isOperator(")")
                || (endName != null && token.isName(endName));
    }

    private List<Expr> items(String close) {
        List<Expr> items = new ArrayList<>();
        while (!current().isOperator(close)) {
            items.add(expression());
            if (!current().isOperator(close)) {
                expectOperator(",");
            }
        }
        next();
        return items;
    }

    private Expr dict() {
        List<Expr> keys = new ArrayList<>();
        List<Expr> values = new ArrayList<>();
        while (!current().isOperator("}")) {
            keys.add(expression());
            expectOperator(":");
            values.add(expression());
            if (!current().isOperator("}")) {
                expectOperator(",");
            }
        }
        next();
        return new Expr.DictLiteral(keys, values);
    }

    final Expr postfix(Expr start) {
        Expr value = start;
        while (true) {
            int line = line();
            if (skipOperator(".")) {
                Token token = next();
                if (token.kind() == Kind.NAME) {
                    value = new Expr.Attribute(value, (String) token.value(), line);
                } else if (token.kind() == Kind.NUMBER && !(token.value() instanceof Double)) {
                    value = new Expr.Item(value, new Expr.Const(token.value()), line);
                } else {
                    throw new JinjaError("expected name or number");
                }
            } else if (skipOperator("[")) {
                value = subscript(value, line);
            } else if (current().isOperator("(")) {
                value = new Expr.Call(value, arguments(), line);
            } else {
                return value;
            }
        }
    }

    private Expr subscript(Expr target, int line) {
        Expr start = current().isOperator(":") ? null : expression();
        if (!skipOperator(":")) {
            if (start == null || current().isOperator(",")) {
                throw new JinjaError("a subscript of several indices is not supported in chat templates");
            }
            expectOperator("]");
            return new Expr.Item(target, start, line);
        }
        Expr stop = current().isOperator(":") || current().isOperator("]") ? null : expression();
        Expr step = skipOperator(":") && !current().isOperator("]") ? expression() : null;
        expectOperator("]");
        return new Expr.Slice(target, start, stop, step, line);
    }

    final Expr.Arguments arguments() {
        expectOperator("(");
        List<Expr> positional = new ArrayList<>();
        List<String> names = new ArrayList<>();
        List<Expr> named = new ArrayList<>();
        Expr star = null;
        Expr doubleStar = null;
        while (!current().isOperator(")")) {
            boolean valid = doubleStar == null;
            if (skipOperator("*")) {
                valid &= star == null;
                star = expression();
            } else if (skipOperator("**")) {
                doubleStar = expression();
            } else if (current().kind() == Kind.NAME && look().isOperator("=")) {
                names.add((String) next().value());
                next();
                named.add(expression());
            } else {
                valid &= star == null && named.isEmpty();
                positional.add(expression());
            }
            if (!valid) {
                throw new JinjaError("invalid syntax for function call expression");
            }
            if (!current().isOperator(")")) {
                expectOperator(",");
            }
        }
        next();
        if (names.stream().distinct().count() < names.size()) {
            throw new JinjaError("keyword argument repeated: " + names);
        }
        return new Expr.Arguments(positional, names, named, star, doubleStar);
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
