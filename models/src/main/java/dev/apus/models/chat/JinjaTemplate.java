package dev.apus.models.chat;

import java.time.Clock;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;

/**
 * A Jinja chat template, compiled once and rendered often; equal to Python jinja2 as transformers sets it up: the immutable sandbox, blocks
 * trimmed, {@code break} and {@code continue}, the generation tag, {@code raise_exception}, {@code strftime_now}, and a
 * {@code tojson} that is Python's json.dumps.
 *
 * <p>Not supported, and refused by name: include, import, from, extends, autoescape true, complex numbers and the few filters that
 * only serve web pages (urlize, xmlattr and the like). Ints end at about a thousand digits.
 */
public final class JinjaTemplate implements ChatTemplate {
    /** A template longer than this is none: the longest published ones have about 40,000 characters. */
    private static final int MAX_SOURCE = 1 << 20;

    private final List<Node> body;
    private final TemplateLimits limits;
    private final Clock clock;

    private JinjaTemplate(List<Node> body, TemplateLimits limits, Clock clock) {
        this.body = body;
        this.limits = limits;
        this.clock = clock;
    }

    /**
     * Compiles a template under the default limits.
     *
     * @throws ChatTemplateException if the template is malformed or names what is refused
     */
    public static JinjaTemplate compile(String source) {
        return compile(source, TemplateLimits.DEFAULT, Clock.system(ZoneId.systemDefault()));
    }

    /**
     * Compiles a template.
     *
     * @param limits what one rendering may use
     * @param clock the time and zone that {@code strftime_now} tells
     * @throws ChatTemplateException if the template is malformed or names what is refused
     */
    public static JinjaTemplate compile(String source, TemplateLimits limits, Clock clock) {
        if (source.length() > MAX_SOURCE) {
            throw new ChatTemplateException("chat template: it has " + source.length() + " characters, allowed are "
                    + MAX_SOURCE + "; is this really the model's template?");
        }
        return new JinjaTemplate(parse(source), limits, clock);
    }

    private static List<Node> parse(String source) {
        Lexer lexer = new Lexer(source);
        List<Token> tokens;
        try {
            tokens = lexer.tokens();
        } catch (JinjaError e) {
            throw at(lexer.line(), e);
        }
        StatementParser parser = new StatementParser(tokens);
        try {
            return parser.template();
        } catch (JinjaError e) {
            throw at(parser.line(), e);
        }
    }

    @Override
    public String render(Map<String, ?> variables) {
        Budget budget = new Budget(limits);
        Renderer renderer = new Renderer(budget);
        try {
            Scope outside = new Scope(null);
            Globals.define(outside, budget, clock);
            // apply_chat_template passes these three always: a template may ask "tools is not none" without "is
            // defined".
            outside.set("tools", None.NONE);
            outside.set("documents", None.NONE);
            outside.set("add_generation_prompt", false);
            for (Map.Entry<String, ?> variable : variables.entrySet()) {
                outside.set(variable.getKey(), Inputs.value(variable.getKey(), variable.getValue()));
            }
            return renderer.render(body, new Scope(outside));
        } catch (JinjaError e) {
            throw at(renderer.line(), e);
        } catch (StackOverflowError e) {
            // The depth limit suits a stack of 1 MiB; this thread's was smaller or already deep in use.
            throw at(renderer.line(), new JinjaError("the template nests too deeply for this thread's stack"));
        }
    }

    private static ChatTemplateException at(int line, JinjaError error) {
        ChatTemplateException exception =
                new ChatTemplateException("chat template, line " + line + ": " + error.getMessage());
        exception.initCause(error);
        return exception;
    }
}
