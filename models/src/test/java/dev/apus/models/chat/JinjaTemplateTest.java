package dev.apus.models.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What the fixtures from Python cannot tell: the Java side of values, errors, limits and threads. */
class JinjaTemplateTest {
    private static final String CHATML = """
            {%- for message in messages %}
            {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
            {{- '<|im_start|>assistant\\n' }}
            {%- endif %}
            """;

    private static final List<Map<String, Object>> CHAT = List.of(
            Map.of("role", "system", "content", "Be brief."),
            Map.of("role", "user", "content", "Hi"),
            Map.of("role", "assistant", "content", "Hello"));

    private static String render(String source, Map<String, ?> variables) {
        return JinjaTemplate.compile(source).render(variables);
    }

    @Test
    void chatMl() {
        assertThat(JinjaTemplate.compile(CHATML).render(Map.of("messages", CHAT, "add_generation_prompt", true)))
                .isEqualTo("""
                <|im_start|>system
                Be brief.<|im_end|>
                <|im_start|>user
                Hi<|im_end|>
                <|im_start|>assistant
                Hello<|im_end|>
                <|im_start|>assistant
                """);
        assertThat(JinjaTemplate.compile(CHATML).render(Map.of("messages", CHAT)))
                .endsWith("Hello<|im_end|>\n");
    }

    @Test
    void continuesTheLastMessage() {
        ChatTemplate chatMl = JinjaTemplate.compile(CHATML);
        // "end" stands in what the template writes after the message too.
        for (String text : List.of("end", "", "The answer is ", "a\n", "CONTINUE_FINAL_MESSAGE_TAG")) {
            List<Map<String, String>> messages =
                    List.of(Map.of("role", "user", "content", "end"), Map.of("role", "assistant", "content", text));
            assertThat(chatMl.renderContinued(Map.of("messages", messages)))
                    .isEqualTo("<|im_start|>user\nend<|im_end|>\n<|im_start|>assistant\n" + text);
        }
        assertThatThrownBy(() -> chatMl.renderContinued(Map.of("messages", List.of())))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("must not be empty");
        assertThatThrownBy(() -> JinjaTemplate.compile("{{ 1 }}").renderContinued(Map.of("messages", CHAT)))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("leaves its text out");
    }

    @Test
    void knowsWhatTransformersAlwaysPasses() {
        assertThat(render("{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}", Map.of()))
                .isEqualTo("TrueTrueFalse");
    }

    @Test
    void takesEveryJsonLikeValue() {
        Map<String, Object> values = new HashMap<>();
        values.put(
                "v",
                List.of(
                        1,
                        2L,
                        (short) 3,
                        1.5,
                        0.1f,
                        new BigDecimal("2.50"),
                        new BigInteger("123456789012345678901"),
                        true));
        values.put("none", null);
        assertThat(render("{{ v }} {{ v|tojson }} {{ none is none }}", values))
                .isEqualTo("[1, 2, 3, 1.5, 0.1, 2.5, 123456789012345678901, True] "
                        + "[1, 2, 3, 1.5, 0.1, 2.5, 123456789012345678901, true] True");
    }

    @Test
    void errorsNameTheLine() {
        assertThatThrownBy(() -> render("a\nb\n{{ raise_exception('Roles must alternate') }}", Map.of()))
                .hasMessage("chat template, line 3: Roles must alternate");
        assertThatThrownBy(() -> render("\n{{ x.y }}", Map.of()))
                .hasMessage("chat template, line 2: UndefinedError: 'x' is undefined");
        assertThatThrownBy(() -> JinjaTemplate.compile("\n\n{% iff x %}"))
                .hasMessage("chat template, line 3: Encountered unknown tag 'iff'.");
        assertThatThrownBy(() -> JinjaTemplate.compile("{{ x\n | nope }}"))
                .hasMessageContaining("No filter named 'nope'.");
    }

    @Test
    void refusesOtherTemplatesByName() {
        for (String tag : List.of("include 'a'", "import 'a' as b", "from 'a' import b", "extends 'a'")) {
            assertThatThrownBy(() -> JinjaTemplate.compile("{% " + tag + " %}"))
                    .isInstanceOf(ChatTemplateException.class)
                    .hasMessageContaining("'" + tag.substring(0, tag.indexOf(' ')) + "' is refused");
        }
        assertThatThrownBy(() -> JinjaTemplate.compile("{% autoescape true %}{% endautoescape %}"))
                .hasMessageContaining("'autoescape' is refused");
        assertThatThrownBy(() -> render("{{ 'a b'|urlencode }}", Map.of()))
                .hasMessageContaining("the filter 'urlencode' is not supported");
    }

    @Test
    void tellsTheTimeOfItsClock() {
        Clock clock = Clock.fixed(Instant.parse("2024-07-26T09:05:00Z"), ZoneOffset.ofHours(2));
        JinjaTemplate template =
                JinjaTemplate.compile("{{ strftime_now('%d %b %Y %H:%M') }}", TemplateLimits.DEFAULT, clock);
        assertThat(template.render(Map.of())).isEqualTo("26 Jul 2024 11:05");
        assertThatThrownBy(() -> render("{{ strftime_now('%Q') }}", Map.of())).hasMessageContaining("'%Q'");
    }

    @Test
    void limitsAreChecked() {
        assertThatThrownBy(() -> new TemplateLimits(0, 1, 1)).hasMessageContaining("steps=0");
        JinjaTemplate shortText =
                JinjaTemplate.compile("{{ s }}{{ s }}", new TemplateLimits(100, 100, 10), Clock.systemUTC());
        assertThat(shortText.render(Map.of("s", "12345"))).isEqualTo("1234512345");
        assertThatThrownBy(() -> shortText.render(Map.of("s", "123456")))
                .hasMessageContaining("longer than 10 characters");
        assertThatThrownBy(() -> JinjaTemplate.compile("x".repeat((1 << 20) + 1)))
                .hasMessageContaining("allowed are 1048576");
    }

    @Test
    void doesNotChangeItsInput() {
        Map<String, Object> variables = Map.of("l", List.of(1), "ns", "x");
        assertThat(render("{% set l = l + [2] %}{% set ns = namespace(a=1) %}{{ l }}{{ ns.a }}", variables))
                .isEqualTo("[1, 2]1");
        assertThat(variables).isEqualTo(Map.of("l", List.of(1), "ns", "x"));
    }

    @Test
    void rendersFromManyThreads() {
        JinjaTemplate template = JinjaTemplate.compile(
                "{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = ns.t ~ m.content %}{% endfor %}{{ ns.t }}{{ n }}");
        List<String> texts = IntStream.range(0, 2000)
                .parallel()
                .mapToObj(n -> template.render(Map.of("messages", CHAT, "n", n)))
                .toList();
        assertThat(texts)
                .isEqualTo(IntStream.range(0, 2000)
                        .mapToObj(n -> "Be brief.HiHello" + n)
                        .toList());
    }

    @Test
    void rendersAConversationOfTenThousandTurns() {
        List<Map<String, Object>> messages = IntStream.range(0, 10_000)
                .mapToObj(i -> Map.<String, Object>of(
                        "role", i % 2 == 0 ? "user" : "assistant", "content", "word ".repeat(20)))
                .toList();
        assertThat(JinjaTemplate.compile(CHATML).render(Map.of("messages", messages)))
                .hasSizeGreaterThan(1_000_000);
    }
}
