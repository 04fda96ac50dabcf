package dev.apus.models.chat;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Statements of a template. */
sealed interface Node {
    record Text(String text) implements Node {}

    record Output(Expr value, int line) implements Node {}

    record If(List<Expr> tests, List<List<Node>> bodies, List<Node> otherwise, int line) implements Node {}

    record For(
            Target target,
            Expr iterable,
            @Nullable Expr test,
            boolean recursive,
            List<Node> body,
            List<Node> otherwise,
            int line)
            implements Node {}

    record Set(Target target, Expr value, int line) implements Node {}

    record With(List<Target> targets, List<Expr> values, List<Node> body, int line) implements Node {}

    record MacroDefinition(MacroCode code, int line) implements Node {}

    /** A call block: a call with a body that the called macro reaches as {@code caller()}. */
    record CallBlock(MacroCode caller, Expr.Call call, int line) implements Node {}

    /** A body in a scope of its own: the tags generation and autoescape. */
    record Scoped(List<Node> body) implements Node {}

    /** The block tag: sees the template's own variables but not those of the loops around it, unless {@code scoped}. */
    record Block(List<Node> body, boolean scoped) implements Node {}

    record Break() implements Node {}

    record Continue() implements Node {}

    /** A macro's parameters and body; the last {@code defaults.size()} parameters have defaults. */
    record MacroCode(
            String name,
            List<String> parameters,
            List<Expr> defaults,
            List<Node> body,
            boolean usesVarargs,
            boolean usesKwargs,
            boolean usesCaller) {}

    /** What is assigned to. */
    sealed interface Target {
        record Variable(String name) implements Target {}

        record Member(String namespace, String name) implements Target {}

        record Several(List<Target> targets) implements Target {}
    }
}
