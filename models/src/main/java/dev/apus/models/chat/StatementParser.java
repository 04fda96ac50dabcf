package dev.apus.models.chat;

import dev.apus.models.chat.Node.MacroCode;
import dev.apus.models.chat.Node.Target;
import dev.apus.models.chat.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Statements of jinja2's grammar as chat templates may use them: no other template can be named. */
final class StatementParser extends Parser {
    private static final Set<String> CONSTANTS = Set.of("true", "false", "none", "True", "False", "None");

    private int loops;

    StatementParser(List<Token> tokens) {
        super(tokens);
    }

    List<Node> template() {
        List<Node> body = body();
        if (current().kind() != Kind.END) {
            throw new JinjaError("Encountered unknown tag '" + current().describe() + "'.");
        }
        refuseUnknown(0);
        return body;
    }

    private void refuseUnknown(int from) {
        if (unknown.size() > from) {
            throw new JinjaError(unknown.get(from));
        }
    }

    /** Statements up to the template's end or up to a tag that is no statement; that tag's opening bracket is consumed. */
    private List<Node> body(String... ends) {
        nest();
        List<Node> body = new ArrayList<>();
        while (true) {
            Token token = next();
            switch (token.kind()) {
                case TEXT -> body.add(new Node.Text((String) token.value()));
                case OUTPUT_BEGIN -> {
                    body.add(new Node.Output(tuple(true, false, null), token.line()));
                    expectKind(Kind.OUTPUT_END);
                }
                case BLOCK_BEGIN -> {
                    for (String end : ends) {
                        if (current().isName(end)) {
                            unnest();
                            return body;
                        }
                    }
                    body.addAll(statement());
                    expectKind(Kind.BLOCK_END);
                }
                default -> {
                    if (ends.length > 0) {
                        throw new JinjaError("Unexpected end of template. Jinja was looking for the following tags: "
                                + String.join(" or ", ends) + ".");
                    }
                    unnest();
                    return body;
                }
            }
        }
    }

    /** The rest of an opening tag, then the body up to one of the tags {@code ends}, whose name is the current token afterwards. */
    private List<Node> bodyAfterTag(String... ends) {
        skipOperator(":");
        expectKind(Kind.BLOCK_END);
        return body(ends);
    }

    private List<Node> bodyAndEnd(String end) {
        List<Node> body = bodyAfterTag(end);
        next();
        return body;
    }

    private List<Node> statement() {
        int line = line();
        if (current().kind() != Kind.NAME) {
            throw new JinjaError("tag name expected");
        }
        String tag = expectAnyName();
        return switch (tag) {
            case "for" -> List.of(forLoop(line));
            case "if" -> List.of(condition(line));
            case "set" -> List.of(set(line));
            case "macro" -> List.of(macro(line));
            case "call" -> List.of(call(line));
            case "with" -> List.of(with(line));
            case "filter" -> List.of(filterBlock(line));
            case "print" -> print(line);
            case "block" -> List.of(block());
            case "generation" -> List.of(new Node.Scoped(separateBody("endgeneration")));
            case "autoescape" -> List.of(autoescape());
            case "break" -> List.of(loopControl(new Node.Break(), tag));
            case "continue" -> List.of(loopControl(new Node.Continue(), tag));
            case "include", "import", "from", "extends" ->
                throw new JinjaError("'" + tag + "' is refused: a chat template is one text and cannot name another");
            default -> throw new JinjaError("Encountered unknown tag '" + tag + "'.");
        };
    }

    private Node loopControl(Node node, String tag) {
        if (loops == 0) {
            throw new JinjaError("'" + tag + "' outside loop");
        }
        return node;
    }

    /** A body that jinja2 compiles into a function: a loop outside cannot be left from inside. */
    private List<Node> separateBody(String end) {
        int outer = loops;
        loops = 0;
        int hidden = unknown.size();
        List<Node> body = bodyAndEnd(end);
        refuseUnknown(hidden);
        loops = outer;
        return body;
    }

    private Node forLoop(int line) {
        Target target = target("in", false);
        if (target.equals(new Target.Variable("loop"))) {
            throw new JinjaError("Can't assign to special loop variable in for-loop target");
        }
        expectName("in");
        Expr iterable = tuple(false, false, "recursive");
        Expr test = skipName("if") ? expression() : null;
        boolean recursive = skipName("recursive");
        int hidden = unknown.size();
        loops++;
        List<Node> body = bodyAfterTag("endfor", "else");
        loops--;
        List<Node> otherwise = List.of();
        if (expectAnyName().equals("else")) {
            otherwise = bodyAndEnd("endfor");
        }
        refuseUnknown(hidden);
        return new Node.For(target, iterable, test, recursive, body, otherwise, line);
    }

    private Node condition(int line) {
        int hidden = unknown.size();
        List<Expr> tests = new ArrayList<>();
        List<List<Node>> bodies = new ArrayList<>();
        List<Node> otherwise = List.of();
        String end = "elif";
        while (end.equals("elif")) {
            tests.add(tuple(false, false, null));
            bodies.add(bodyAfterTag("elif", "else", "endif"));
            end = expectAnyName();
        }
        if (end.equals("else")) {
            otherwise = bodyAndEnd("endif");
        }
        forgetUnknown(hidden);
        return new Node.If(tests, bodies, otherwise, line);
    }

    private Node set(int line) {
        Target target = target(null, true);
        if (skipOperator("=")) {
            return new Node.Set(target, tuple(true, false, null), line);
        }
        // The filters stand before the body they apply to.
        List<Node> body = new ArrayList<>();
        Expr value = filters(new Expr.BodyText(body), false);
        body.addAll(bodyAndEnd("endset"));
        return new Node.Set(target, value, line);
    }

    private Node filterBlock(int line) {
        List<Node> body = new ArrayList<>();
        Expr value = filters(new Expr.BodyText(body), true);
        body.addAll(bodyAndEnd("endfilter"));
        return new Node.Output(value, line);
    }

    private Node with(int line) {
        List<Target> targets = new ArrayList<>();
        List<Expr> values = new ArrayList<>();
        while (current().kind() != Kind.BLOCK_END) {
            if (!targets.isEmpty()) {
                expectOperator(",");
            }
            targets.add(target(null, false));
            expectOperator("=");
            values.add(expression());
        }
        return new Node.With(targets, values, bodyAndEnd("endwith"), line);
    }

    private Node macro(int line) {
        String name = assignable(expectAnyName());
        return new Node.MacroDefinition(macroCode(name, "endmacro", true), line);
    }

    private Node call(int line) {
        // The parameters stand before the call, the body after it: read the call between the two.
        List<String> parameters = new ArrayList<>();
        List<Expr> defaults = new ArrayList<>();
        if (current().isOperator("(")) {
            signature(parameters, defaults);
        }
        if (!(expression() instanceof Expr.Call function)) {
            throw new JinjaError("expected call");
        }
        return new Node.CallBlock(macroBody("caller", parameters, defaults, "endcall"), function, line);
    }

    private MacroCode macroCode(String name, String end, boolean withSignature) {
        List<String> parameters = new ArrayList<>();
        List<Expr> defaults = new ArrayList<>();
        if (withSignature) {
            signature(parameters, defaults);
        }
        return macroBody(name, parameters, defaults, end);
    }

    private MacroCode macroBody(String name, List<String> parameters, List<Expr> defaults, String end) {
        boolean outerVarargs = sawVarargs;
        boolean outerKwargs = sawKwargs;
        boolean outerCaller = sawCaller;
        sawVarargs = false;
        sawKwargs = false;
        sawCaller = false;
        List<Node> body = separateBody(end);
        MacroCode code = new MacroCode(name, parameters, defaults, body, sawVarargs, sawKwargs, sawCaller);
        sawVarargs |= outerVarargs;
        sawKwargs |= outerKwargs;
        sawCaller |= outerCaller;
        return code;
    }

    private void signature(List<String> parameters, List<Expr> defaults) {
        expectOperator("(");
        while (!current().isOperator(")")) {
            if (!parameters.isEmpty()) {
                expectOperator(",");
            }
            parameters.add(assignable(expectAnyName()));
            if (skipOperator("=")) {
                defaults.add(expression());
            } else if (!defaults.isEmpty()) {
                throw new JinjaError("non-default argument follows default argument");
            }
        }
        next();
    }

    private List<Node> print(int line) {
        List<Node> outputs = new ArrayList<>();
        while (current().kind() != Kind.BLOCK_END) {
            if (!outputs.isEmpty()) {
                expectOperator(",");
            }
            outputs.add(new Node.Output(expression(), line));
        }
        return outputs;
    }

    private Node block() {
        String name = expectAnyName();
        boolean scoped = skipName("scoped");
        skipName("required");
        List<Node> body = separateBody("endblock");
        skipName(name);
        return new Node.Block(body, scoped);
    }

    private Node autoescape() {
        if (!(expression() instanceof Expr.Const(Object on)) || !on.equals(false)) {
            throw new JinjaError(
                    "'autoescape' is refused: a prompt is no HTML page; only {% autoescape false %} is allowed");
        }
        return new Node.Scoped(bodyAndEnd("endautoescape"));
    }

    private String assignable(String name) {
        if (CONSTANTS.contains(name)) {
            throw new JinjaError("can't assign to 'const'");
        }
        return name;
    }

    /** An assignment target: a name, {@code namespace.name} if allowed, or several, in brackets or not, split by commas. */
    private Target target(@Nullable String endName, boolean members) {
        List<Target> targets = new ArrayList<>();
        boolean several = false;
        while (!current().isOperator(")")
                && current().kind() != Kind.BLOCK_END
                && !(endName != null && current().isName(endName))) {
            targets.add(single(members));
            if (!skipOperator(",")) {
                break;
            }
            several = true;
        }
        if (targets.isEmpty()) {
            throw new JinjaError("Expected an expression, got '" + current().describe() + "'");
        }
        return several ? new Target.Several(targets) : targets.getFirst();
    }

    private Target single(boolean members) {
        if (current().isOperator("(") || current().isOperator("[")) {
            nest();
            boolean round = next().isOperator("(");
            Target inner = round ? target(null, false) : bracketedTargets();
            expectOperator(round ? ")" : "]");
            unnest();
            return inner;
        }
        if (current().kind() != Kind.NAME) {
            throw new JinjaError("can't assign to '" + current().describe() + "'");
        }
        String name = assignable(expectAnyName());
        if (members && skipOperator(".")) {
            return new Target.Member(name, expectAnyName());
        }
        return new Target.Variable(name);
    }

    private Target bracketedTargets() {
        List<Target> targets = new ArrayList<>();
        while (!current().isOperator("]")) {
            targets.add(single(false));
            if (!skipOperator(",")) {
                break;
            }
        }
        return new Target.Several(targets);
    }
}
