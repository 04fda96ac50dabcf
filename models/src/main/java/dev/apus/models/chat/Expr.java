package dev.apus.models.chat;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Expressions of a template. {@code line} is the template line an error names. */
sealed interface Expr {
    record Const(Object value) implements Expr {}

    record Name(String name) implements Expr {}

    record ListLiteral(List<Expr> items) implements Expr {}

    record TupleLiteral(List<Expr> items) implements Expr {}

    record DictLiteral(List<Expr> keys, List<Expr> values) implements Expr {}

    record Attribute(Expr target, String name, int line) implements Expr {}

    record Item(Expr target, Expr key, int line) implements Expr {}

    record Slice(
            Expr target,
            @Nullable Expr start,
            @Nullable Expr stop,
            @Nullable Expr step,
            int line) implements Expr {}

    record Call(Expr function, Arguments arguments, int line) implements Expr {}

    record Filter(Expr value, String name, Arguments arguments, int line) implements Expr {}

    record Test(Expr value, String name, Arguments arguments, int line) implements Expr {}

    record Not(Expr value) implements Expr {}

    record Negative(Expr value, int line) implements Expr {}

    record Positive(Expr value, int line) implements Expr {}

    record And(Expr left, Expr right) implements Expr {}

    record Or(Expr left, Expr right) implements Expr {}

    record Binary(String operator, Expr left, Expr right, int line) implements Expr {}

    record Concat(List<Expr> parts) implements Expr {}

    /** {@code first op0 rest0 op1 rest1 ...}: each neighbouring pair must hold, as in Python. */
    record Compare(Expr first, List<String> operators, List<Expr> rest, int line) implements Expr {}

    record Conditional(Expr test, Expr then, @Nullable Expr otherwise) implements Expr {}

    /** The text of a block, as the input of the filter of a filter block and a filtered set block. */
    record BodyText(List<Node> body) implements Expr {}

    /** Arguments of a call: positional, {@code name=value}, {@code *list}, {@code **dict}. */
    record Arguments(
            List<Expr> positional,
            List<String> names,
            List<Expr> named,
            @Nullable Expr star,
            @Nullable Expr doubleStar) {
        static final Arguments NONE = new Arguments(List.of(), List.of(), List.of(), null, null);

        boolean isEmpty() {
            return positional.isEmpty() && names.isEmpty() && star == null && doubleStar == null;
        }
    }
}
