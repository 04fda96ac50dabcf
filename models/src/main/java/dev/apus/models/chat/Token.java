package dev.apus.models.chat;

/**
 * A token of a template.
 *
 * @param value the decoded text, operator or number
 */
record Token(Kind kind, Object value, int line) {
    enum Kind {
        TEXT,
        OUTPUT_BEGIN,
        OUTPUT_END,
        BLOCK_BEGIN,
        BLOCK_END,
        NAME,
        STRING,
        NUMBER,
        OPERATOR,
        END
    }

    boolean isName(String name) {
        return kind == Kind.NAME && value.equals(name);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && value.equals(operator);
    }

    String describe() {
        return switch (kind) {
            case TEXT -> "template text";
            case OUTPUT_BEGIN -> "begin of print statement";
            case OUTPUT_END -> "end of print statement";
            case BLOCK_BEGIN -> "begin of statement block";
            case BLOCK_END -> "end of statement block";
            case END -> "end of template";
            default -> String.valueOf(value);
        };
    }
}
