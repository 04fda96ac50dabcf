package dev.apus.models.chat;

import dev.apus.models.chat.Token.Kind;
import java.util.List;

/** Walks over a template's tokens for the parser and counts how deep it is nested. */
abstract sealed class TokenReader permits PrimaryParser {
    /** Nested expressions and statements at most: Python's own parser stops at 200 parentheses, real templates stay below 15. */
    private static final int MAX_NESTING = 150;

    private final List<Token> tokens;
    private int position;
    private int nesting;

    TokenReader(List<Token> tokens) {
        this.tokens = tokens;
    }

    final Token current() {
        return tokens.get(position);
    }

    final Token look() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    final Token next() {
        Token token = tokens.get(position);
        if (position < tokens.size() - 1) {
            position++;
        }
        return token;
    }

    /** The line of the token the parser has come to: the line of the fault when it throws. */
    final int line() {
        return current().line();
    }

    final boolean skipName(String name) {
        boolean found = current().isName(name);
        if (found) {
            next();
        }
        return found;
    }

    final boolean skipOperator(String operator) {
        boolean found = current().isOperator(operator);
        if (found) {
            next();
        }
        return found;
    }

    final void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw new JinjaError(
                    "expected token '" + operator + "', got '" + current().describe() + "'");
        }
    }

    final void expectName(String name) {
        if (!skipName(name)) {
            throw new JinjaError(
                    "expected token '" + name + "', got '" + current().describe() + "'");
        }
    }

    final String expectAnyName() {
        if (current().kind() != Kind.NAME) {
            throw new JinjaError("expected token 'name', got '" + current().describe() + "'");
        }
        return (String) next().value();
    }

    final void expectKind(Kind kind) {
        if (current().kind() != kind) {
            throw new JinjaError("expected token '" + new Token(kind, "", 0).describe() + "', got '"
                    + current().describe() + "'");
        }
        next();
    }

    final void nest() {
        if (++nesting > MAX_NESTING) {
            throw new JinjaError("too deeply nested: more than " + MAX_NESTING + " levels");
        }
    }

    final void unnest() {
        nesting--;
    }
}
