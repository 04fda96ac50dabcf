package dev.apus.models.chat;

import dev.apus.models.chat.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What stands between operators: constants, names, brackets, and the attributes, items and calls that follow them. */
abstract sealed class PrimaryParser extends TokenReader permits Parser {
    /** Names of the special macro variables seen so far; a macro accepts what its body names. */
    boolean sawVarargs;

    boolean sawKwargs;
    boolean sawCaller;

    PrimaryParser(List<Token> tokens) {
        super(tokens);
    }

    /** Any expression. */
    abstract Expr expression();

    /** Any expression but {@code a if b else c}. */
    abstract Expr or();

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
}
