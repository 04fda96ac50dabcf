package dev.apus.models.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates that want to hold the thread, the heap or the JVM. */
class JinjaHostileTest {
    /** Far more than any of them takes; a refusal comes after the step limit at the latest. */
    private static final Duration BOUND = Duration.ofSeconds(5);

    private static final Map<String, Object> DATA = Map.of("s", "text", "l", List.of(1, 2, 3), "d", Map.of("k", "v"));

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(10 ** 9) %}x{% endfor %}",
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{{ 'x' * 10 ** 9 }}",
                "{{ [0] * 10 ** 9 }}",
                "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
                "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set n.s = n.s.replace('x', 'xxxxxxxx') %}{% endfor %}",
                "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
                "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
                "{% set n = namespace(l=[1]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}",
                "{% set n = namespace(l=[1]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l|tojson }}",
                "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l == n.l + [] }}{{ n.l }}",
                "{{ 9 ** (9 ** 9) }}",
                "{{ 10 ** 1000000000 }}",
                "{% set n = namespace(i=3) %}{% for i in range(99) %}{% set n.i = n.i * n.i %}{% endfor %}",
                "{{ '%999999999d' % 1 }}",
                "{{ '%.999999999f' % 1.5 }}",
                "{{ '%*d' % (999999999, 1) }}",
                "{{ '{:999999999}'.format(1) }}",
                "{{ 'x'.center(999999999) }}",
                "{{ 'x'|center(999999999) }}",
                "{{ '1'.zfill(999999999) }}",
                "{{ 'x'|indent(999999999, true) }}",
                "{{ [1]|batch(999999999, 0)|list }}",
                "{{ [[1]]|tojson(indent=999999999) }}",
                "{{ '\t'.expandtabs(999999999) }}",
                "{{ ('a' * 4000000) in ('a' * 8000000) }}",
                "{{ ('ab' * 2000000).strip('b' * 2000000 ~ 'a') }}",
                "{{ ''.__class__.__mro__ }}",
                "{{ s.__class__.__base__ }}",
                "{{ l.__init__.__globals__ }}",
                "{{ d.clear() }}",
                "{{ l.append(1) }}",
                "{{ '{0.__class__.__init__}'.format(s) }}",
            })
    void refuses(String source) {
        Assertions.assertTimeoutPreemptively(
                BOUND,
                () -> assertThatThrownBy(() -> JinjaTemplate.compile(source).render(DATA))
                        .isInstanceOf(ChatTemplateException.class));
    }

    @Test
    void refusesDeepNesting() {
        for (String open : List.of("(", "[", "-", "not ", "{1: ", "s[", "s|f(", "1 if ")) {
            String source = "{{ " + open.repeat(100_000) + " }}";
            assertThatThrownBy(() -> JinjaTemplate.compile(source)).isInstanceOf(ChatTemplateException.class);
        }
        assertThatThrownBy(() -> JinjaTemplate.compile("{% if s %}".repeat(100_000)))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("too deeply nested");
    }

    @Test
    void refusesALongChainOfOperators() {
        String source = "{{ 1" + " + 1".repeat(100_000) + " }}";
        assertThatThrownBy(() -> JinjaTemplate.compile(source).render(DATA))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("nests");
    }

    @Test
    void refusesDeepAndForeignInput() {
        List<Object> deep = new ArrayList<>();
        for (int i = 0; i < 10_000; i++) {
            deep = new ArrayList<>(List.of(deep));
        }
        List<Object> input = deep;
        JinjaTemplate template = JinjaTemplate.compile("{{ x }}");
        assertThatThrownBy(() -> template.render(Map.of("x", input))).hasMessageContaining("'x' nests deeper");
        assertThatThrownBy(() -> template.render(Map.of("x", Duration.ZERO)))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("java.time.Duration");
    }

    @Test
    void refusesWithinASmallStack() throws InterruptedException {
        JinjaTemplate template = JinjaTemplate.compile("{% macro f() %}{{ [[f()]] }}{% endmacro %}{{ f() }}");
        List<Throwable> thrown = new ArrayList<>();
        Thread thread = new Thread(null, () -> template.render(DATA), "small-stack", 128 << 10);
        thread.setUncaughtExceptionHandler((_, e) -> thrown.add(e));
        thread.start();
        thread.join();
        assertThat(thrown).singleElement().isInstanceOf(ChatTemplateException.class);
    }

    @Property(tries = 3000)
    void randomTextEndsWellOrWithATemplateException(@ForAll("templates") String source) {
        TemplateLimits limits = new TemplateLimits(20_000, 300, 100_000);
        try {
            assertThat(JinjaTemplate.compile(source, limits, java.time.Clock.systemUTC())
                            .render(DATA))
                    .isNotNull();
        } catch (ChatTemplateException e) {
            assertThat(e.getMessage()).startsWith("chat template, line ");
        }
    }

    @Provide
    Arbitrary<String> templates() {
        Arbitrary<String> pieces = Arbitraries.of(
                "{{",
                "}}",
                "{%",
                "%}",
                "{#",
                "#}",
                "-",
                "+",
                " ",
                "\n",
                "if",
                "else",
                "elif",
                "endif",
                "for",
                "in",
                "endfor",
                "set",
                "endset",
                "macro",
                "endmacro",
                "call",
                "endcall",
                "filter",
                "endfilter",
                "raw",
                "endraw",
                "x",
                "s",
                "l",
                "d",
                "k",
                "loop",
                ".",
                ",",
                "(",
                ")",
                "[",
                "]",
                "{",
                "}",
                ":",
                "|",
                "=",
                "==",
                "<",
                "~",
                "*",
                "**",
                "/",
                "//",
                "%",
                "1",
                "0",
                "-1",
                "2.5",
                "99999999999999999999",
                "'a'",
                "\"b\"",
                "'%s'",
                "'{}'",
                "not",
                "and",
                "or",
                "is",
                "defined",
                "none",
                "true",
                "upper",
                "length",
                "list",
                "join",
                "sort",
                "map",
                "tojson",
                "split",
                "format",
                "replace",
                "items",
                "range",
                "namespace",
                "recursive",
                "break",
                "continue",
                "é",
                "😀",
                "\\",
                "{{ s",
                "{{ l|",
                " }}",
                "{% for x in l %}",
                "{% endfor %}",
                "{% if x %}",
                "{% endif %}",
                "{{ x.",
                "{{ s[",
                "{{ d[",
                "{% set x = ");
        return Arbitraries.oneOf(
                pieces.list().ofMaxSize(40).map(p -> String.join("", p)),
                Arbitraries.strings().ofMaxLength(60));
    }
}
