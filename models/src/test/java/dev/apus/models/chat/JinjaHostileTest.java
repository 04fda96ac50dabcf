package dev.apus.models.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates that want to hold the thread, the heap or the JVM. */
class JinjaHostileTest {
    /** Far more than any of them takes, on a busy machine too; a refusal comes after the step limit at the latest. */
    private static final Duration BOUND = Duration.ofSeconds(60);

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
                "{{ (['x' * 1000] * 100000)|join }}",
                "{{ range(99999)|join('z' * 1000) }}",
                "{{ 'x'.join('y' * 4000000) }}",
                "{{ ('z' * 1000).join(range(99999)|map('string')) }}",
                "{% set n = namespace(s='xy') %}{% for i in range(99) %}{% set n.s = [n.s, n.s]|join %}{% endfor %}",
                "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s %}{{ n.s }}{{ n.s }}{% endset %}{% endfor %}",
                "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = '{0}{0}'.format(n.s) %}{% endfor %}",
                "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s|tojson|tojson %}{% endfor %}",
                "{% set n = namespace(d={}) %}{% for i in range(60) %}{% set n.d = {'a': n.d, 'b': n.d} %}{% endfor %}{{ n.d|tojson }}",
                "{% set n = namespace(d=(1,)) %}{% for i in range(60) %}{% set n.d = (n.d, n.d) %}{% endfor %}{{ {n.d: 1} }}",
                "{{ ('a' * 8000000).split('a') }}",
                "{{ ('a' * 8000000).rsplit('a') }}",
                "{{ ('a ' * 4000000).split() }}",
                "{{ ('a' * 2000000).count('a' * 1000 ~ 'b') }}",
                "{% set s = 'x' * 1000000 %}{% for i in range(99999) %}{% if s|length %}{% endif %}{% endfor %}",
                "{% set s = 'é😀' * 1000000 %}{% for i in range(99999) %}{% if s[1999999] %}{% endif %}{% endfor %}",
                "{% set s = 'x' * 1000000 %}{% set t = s ~ '' %}{% for i in range(99999) %}{% if s == t %}{% endif %}{% endfor %}",
                "{% set s = 'x' * 1000000 %}{% set t = s ~ '' %}{% for i in range(99999) %}{% if {s: 1}[t] %}{% endif %}{% endfor %}",
                "{% set s = 'X' * 1000000 %}{% for i in range(99999) %}{% if s is upper %}{% endif %}{% endfor %}",
                "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
                "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
                "{% macro f(a=f()) %}{% endmacro %}{{ f() }}",
                "{% macro f() %}{% filter upper %}{{ f() }}{% endfilter %}{% endmacro %}{{ f() }}",
                "{{ strftime_now('%c' * 4000000) }}",
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

    /** What would lead from a value to the JVM or, in Python, to the interpreter: none may be more than an undefined name. */
    @Property
    void reachesNothingBehindAValue(@ForAll("values") String value, @ForAll("internals") String name) {
        for (String source : List.of(
                "{{ " + value + "." + name + " }}",
                "{{ " + value + "['" + name + "'] }}",
                "{{ " + value + "|attr('" + name + "') }}",
                "{{ [" + value + "]|map(attribute='" + name + "')|join }}",
                "{{ '{0." + name + "}'.format(" + value + ") }}")) {
            try {
                assertThat(JinjaTemplate.compile(source).render(DATA))
                        .as(source)
                        .isEmpty();
            } catch (ChatTemplateException e) {
                assertThat(e).as(source).hasMessageStartingWith("chat template, line 1: ");
            }
        }
    }

    @Provide
    Arbitrary<String> values() {
        return Arbitraries.of(
                "s",
                "l",
                "d",
                "1",
                "1.5",
                "none",
                "true",
                "(1,)",
                "range(3)",
                "range",
                "namespace",
                "namespace(a=1)",
                "dict",
                "cycler(1)",
                "joiner()",
                "raise_exception",
                "strftime_now",
                "s.upper",
                "d.items()",
                "l|map('upper')",
                "missing",
                "s|e",
                "self",
                "loop");
    }

    @Provide
    Arbitrary<String> internals() {
        return Arbitraries.of(
                "getClass",
                "class",
                "hashCode",
                "wait",
                "notifyAll",
                "clone",
                "finalize",
                "stream",
                "forEach",
                "entrySet",
                "getBytes",
                "intern",
                "__class__",
                "__mro__",
                "__base__",
                "__subclasses__",
                "__init__",
                "__globals__",
                "__builtins__",
                "__dict__",
                "__import__",
                "__code__",
                "__reduce__",
                "__getattribute__",
                "func_globals",
                "im_class",
                "gi_frame",
                "cr_frame",
                "f_globals",
                "mro",
                "_TemplateReference__context");
    }

    @Property(tries = 300)
    void endsAtEachLimitOrWithTheWholeText(
            @ForAll("growing") String source,
            @ForAll @IntRange(min = 0, max = 400) int n,
            @ForAll @IntRange(min = 1, max = 400) int limit) {
        Map<String, Object> data = Map.of("n", n);
        String whole = JinjaTemplate.compile(source).render(data);
        for (TemplateLimits limits : List.of(
                new TemplateLimits(limit, 800, 100_000),
                new TemplateLimits(100_000, limit, 100_000),
                new TemplateLimits(100_000, 800, limit))) {
            try {
                assertThat(JinjaTemplate.compile(source, limits, Clock.systemUTC())
                                .render(data))
                        .isEqualTo(whole);
                assertThat(whole).hasSizeLessThanOrEqualTo(limits.characters());
            } catch (ChatTemplateException e) {
                assertThat(e).hasMessageContaining("" + limit).hasMessageMatching("(?s).*(steps|levels|characters).*");
            }
        }
    }

    /** Templates that make about n characters, each in its own way. */
    @Provide
    Arbitrary<String> growing() {
        return Arbitraries.of(
                "{{ 'x' * n }}",
                "{% for i in range(n) %}x{% endfor %}",
                "{{ range(n)|map('string')|join }}",
                "{{ ['x'] * n }}",
                "{{ (['x'] * n)|tojson(indent=1) }}",
                "{{ 'x'|center(n) }}",
                "{% set s %}{% for i in range(n) %}{{ i }}{% endfor %}{% endset %}{{ s }}",
                "{% macro f(k) %}{% if k %}x{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f([n, 60]|min) }}",
                "{% set ns = namespace(s='') %}{% for i in range(n) %}{% set ns.s = ns.s + 'x' %}{% endfor %}{{ ns.s }}",
                "{% for i in [n, 60]|min|string recursive %}{{ i }}{% endfor %}",
                "{{ ('a,' * n).split(',')|length }}",
                "{{ ('ab' * n)|replace('b', 'ccc') }}");
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
            assertThat(JinjaTemplate.compile(source, limits, Clock.systemUTC()).render(DATA))
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
