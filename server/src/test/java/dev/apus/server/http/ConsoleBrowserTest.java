package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FailureKind;
import dev.apus.server.auth.SecurityOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The console in a real browser, whose model a test plays. Skipped where there is no browser. */
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConsoleBrowserTest {
    private static final String ANSWER = "#log article:last-child";

    private @Nullable Browser browser;
    private @Nullable ServerFixture server;
    private @Nullable BrowserPage page;

    @BeforeAll
    void start(@TempDir Path folder) throws Exception {
        browser = new Browser(folder);
    }

    @AfterAll
    void stop() {
        if (browser != null) {
            browser.close();
        }
    }

    @AfterEach
    void nothingWentWrong() {
        if (page != null) {
            assertThat(page.problems()).isEmpty();
        }
        if (server != null) {
            server.close();
        }
    }

    private BrowserPage open(ServerFixture fixture, String path, int width, int height) {
        server = fixture;
        BrowserPage opened =
                Objects.requireNonNull(browser).open("http://127.0.0.1:" + fixture.server.port() + path, width, height);
        page = opened;
        return opened;
    }

    private static void say(BrowserPage page, String text) {
        page.await("document.activeElement.id === 'input'");
        page.type(text);
        page.press("Enter");
    }

    @Test
    void anAnswerIsShownAsItComesAndKept() throws Exception {
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 1200, 800);
        page.await("document.querySelector('#model').value === 'stub'");
        page.type("two");
        page.press("Shift+Enter");
        say(page, "lines");
        ManualEngine.Work work = fixture.engine.next();
        assertThat(new String(work.request.prompt(), 0, work.request.prompt().length))
                .isEqualTo("two\nlines");
        page.awaitText(ANSWER, "Waiting for the first token");
        work.emit("Hel");
        page.awaitText(ANSWER, "Hel");
        assertThat(page.evaluate("document.querySelector('" + ANSWER + "').ariaBusy")
                        .asString())
                .isEqualTo("true");
        work.emit("lo **you**");
        page.awaitText(ANSWER, "Hello you");
        assertThat(page.text(ANSWER + " strong")).isEqualTo("you");
        assertThat(page.count("#stop:not([hidden])")).isEqualTo(1);
        fixture.engine.finish(work);
        page.awaitText(ANSWER + " .stats", "13 tokens · cut off at max_tokens");
        assertThat(page.text(ANSWER + " .stats")).contains("s to the first token · ");
        assertThat(page.count("#send:not([hidden])")).isEqualTo(1);

        page.reload();
        page.awaitText(ANSWER, "Hello you");
        page.click("button", "New chat");
        page.awaitText("#log", "Ask the model something.");
        assertThat(page.evaluate("localStorage.getItem('apus.chat')").asString())
                .contains("\"messages\":[]");
    }

    @Test
    void anAnswerIsStoppedMadeAnewAndTheQuestionEdited() throws Exception {
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 1200, 800);
        say(page, "first");
        ManualEngine.Work work = fixture.engine.next();
        work.emit("a part");
        page.awaitText(ANSWER, "a part");
        page.press("Escape");
        page.awaitText(ANSWER + " .stats", "stopped");
        ServerFixture.await(
                "the engine hears of it", () -> fixture.engine.aborted().contains(work.request.id()));

        page.click("button", "Regenerate");
        ManualEngine.Work again = fixture.engine.next();
        assertThat(again.request.prompt()).isEqualTo(work.request.prompt());
        again.emit("another");
        page.awaitText(ANSWER, "another");
        page.click("#stop", "Stop");
        page.awaitText(ANSWER + " .stats", "stopped");

        page.click("button", "Edit");
        page.await("document.activeElement.getAttribute('aria-label') === 'Edited message'");
        page.type("!");
        page.press("Enter");
        ManualEngine.Work edited = fixture.engine.next();
        assertThat(new String(edited.request.prompt(), 0, edited.request.prompt().length))
                .contains("!")
                .contains("first");
        page.await("document.querySelectorAll('#log article').length === 2");
    }

    @Test
    void parametersAreSentAsTheyAreSet() throws Exception {
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 1200, 800);
        for (String setting : List.of("temperature=0.5", "top_p=0.25", "max_tokens=7", "seed=42")) {
            String[] parts = setting.split("=", 2);
            page.evaluate("document.querySelector('#" + parts[0] + "').focus()");
            page.type(parts[1]);
        }
        page.evaluate("document.querySelector('#input').focus()");
        say(page, "hi");
        var params = fixture.engine.next().request.params();
        assertThat(params.temperature()).isEqualTo(0.5f);
        assertThat(params.topP()).isEqualTo(0.25f);
        assertThat(params.maxTokens()).isEqualTo(7);
        assertThat(params.seed()).isEqualTo(42);
    }

    @Test
    void thoughtsAreApart() throws Exception {
        ServerFixture fixture = new ServerFixture(options -> options.api(new ApiOptions("qwen3", false)));
        BrowserPage page = open(fixture, "/", 1200, 800);
        say(page, "hi");
        ManualEngine.Work work = fixture.engine.next();
        work.emit("<think>let me see</think>Four.");
        fixture.engine.finish(work);
        page.awaitText(ANSWER + " > .text", "Four.");
        assertThat(page.text(ANSWER + " > .text")).doesNotContain("let me see");
        assertThat(page.evaluate("document.querySelector('" + ANSWER + " .thoughts').open")
                        .asBoolean())
                .isFalse();
        page.click("summary", "Thoughts");
        page.awaitText(ANSWER + " .thoughts .text", "let me see");
    }

    /** Whatever a model says is text: it is shown, and neither runs nor loads nor leads anywhere. */
    @Test
    void aHostileAnswerIsText() throws Exception {
        String hostile = """
                <img src=x onerror="window.pwned=1"><script>window.pwned=2</script>

                [click](javascript:window.pwned=3) ![see](http://127.0.0.1:9/pixel.png) <http://127.0.0.1:9/>

                # <svg onload=window.pwned=4>
                - <iframe srcdoc="<script>parent.pwned=5</script>">
                  - **<b onclick=window.pwned=6>bold</b>**
                > <style>body{display:none}</style>

                ```html"><img src=x onerror=window.pwned=7>
                <img src=x onerror="window.pwned=8">
                ```
                `<a href=//evil.example>` **unclosed *and* ``odd` ___ ](] {{constructor.constructor('window.pwned=9')()}}
                ~~~
                never closed </pre></code><script>window.pwned=10</script>
                """;
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 1200, 800);
        say(page, "hi");
        ManualEngine.Work work = fixture.engine.next();
        for (int i = 0; i < hostile.length(); i += 40) {
            work.emit(hostile.substring(i, Math.min(hostile.length(), i + 40)));
        }
        fixture.engine.finish(work);
        page.awaitText(ANSWER + " .stats", "tokens");
        page.reload();
        page.awaitText(ANSWER, "never closed </pre></code><script>window.pwned=10</script>");
        assertThat(page.text(ANSWER))
                .contains("<img src=x onerror=\"window.pwned=1\"><script>window.pwned=2</script>")
                .contains("[click](javascript:window.pwned=3) ![see](http://127.0.0.1:9/pixel.png)")
                .contains("<svg onload=window.pwned=4>");
        assertThat(page.count("#log img, #log a, #log script, #log iframe, #log style, #log b, #log svg"))
                .isZero();
        assertThat(page.evaluate("typeof window.pwned").asString()).isEqualTo("undefined");
        assertThat(page.requested()).allMatch(url -> url.startsWith("http://127.0.0.1:" + fixture.server.port() + "/"));
    }

    /** The policy holds even if the script should ever err. */
    @Test
    void thePolicyHindersMarkupAndForeignCode() throws Exception {
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 1200, 800);
        assertThat(page.evaluate("""
                (() => { try { document.body.innerHTML = '<p>x</p>'; return 'set'; } catch (e) { return e.name; } })()""").asString()).isEqualTo("TypeError");
        assertThat(page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'asked', e => e.name)")
                        .asString())
                .isEqualTo("TypeError");
        assertThat(page.problems())
                .anyMatch(text -> text.contains("TrustedHTML"))
                .anyMatch(text -> text.contains("connect-src 'self'"));
        page.problems().clear();
    }

    @Test
    void anErrorIsToldWithItsCodeAndTheRequestsId() throws Exception {
        ServerFixture fixture = new ServerFixture();
        fixture.engine.room.set(0);
        BrowserPage page = open(fixture, "/", 1200, 800);
        say(page, "hi");
        page.awaitText(ANSWER + " .error", "429 queue_full: ");
        assertThat(page.text(ANSWER + " .error")).containsPattern("\\(request [0-9a-f-]{36}\\)");
        assertThat(page.evaluate("document.querySelector('" + ANSWER + " .error').getAttribute('role')")
                        .asString())
                .isEqualTo("alert");
    }

    @Test
    void aFailureInMidStreamKeepsWhatCame() throws Exception {
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 1200, 800);
        say(page, "hi");
        ManualEngine.Work work = fixture.engine.next();
        work.emit("so far");
        page.awaitText(ANSWER, "so far");
        fixture.engine.fail(work, FailureKind.ENGINE, "the device is lost");
        page.awaitText(ANSWER + " .error", "the device is lost");
        assertThat(page.text(ANSWER)).contains("so far", "(request ");
    }

    @Test
    void theChartsTellWhatMetricsDoes() throws Exception {
        ServerFixture fixture = new ServerFixture();
        try (RawClient client = fixture.connect()) {
            fixture.start(client, true);
            BrowserPage page = open(fixture, "/#live", 1200, 800);
            // Told by ManualEngine: 1 runs, 3 wait, 25 of 100 blocks, 5 of 10 tokens found.
            page.awaitText("#charts", "25.0 %");
            String shown = page.text("#charts");
            assertThat(shown.replaceAll("\\s+", " "))
                    .contains("running 1 waiting 3")
                    .contains("in use 25.0 %")
                    .contains("tokens found 50.0 %");
            String metrics = fixture.connectAndAnswer(RawClient.get("/metrics"));
            assertThat(metrics)
                    .containsPattern("vllm:num_requests_running\\{[^}]*} 1\\.0\n")
                    .containsPattern("vllm:num_requests_waiting\\{[^}]*} 3\\.0\n")
                    .containsPattern("vllm:kv_cache_usage_perc\\{[^}]*} 0\\.25\n");
            page.await("document.querySelector('.chart .line').getAttribute('d').includes('L')");
        }
    }

    /** Ten requests whose first token came after about 0.1 s, one after 2 s. */
    @Test
    void quantilesAreThoseOfPrometheus() {
        BrowserPage page = open(new ServerFixture(), "/", 1200, 800);
        String answer = page.evaluate("""
                import('/console/live.js').then(({parse, quantile}) => {
                  const of = (text) => parse(text, 'vllm:').get('vllm:t_bucket');
                  const before = of('vllm:t_bucket{model_name="a,le=\\\\"9\\\\"",le="0.1"} 4\\n'
                    + ['0.2', '2', '4', '+Inf'].map((le) => `vllm:t_bucket{le="${le}"} 4`).join('\\n'));
                  const now = of('vllm:t_bucket{le="0.1"} 4\\nvllm:t_bucket{le="0.2"} 14\\nvllm:t_bucket{le="2"} 14\\n'
                    + 'vllm:t_bucket{le="4"} 15\\nvllm:t_bucket{le="+Inf"} 15\\nother{le="1"} 3');
                  return [quantile(0.5, now, before).toFixed(6), quantile(0.99, now, before).toFixed(6), quantile(0.5, before, before), before[0].le];
                }).then(JSON.stringify)""").asString();
        // 11 observations: the 5.5th of 10 in (0.1, 0.2], the 10.89th is the one in (2, 4].
        assertThat(answer).isEqualTo("[\"0.155000\",\"3.780000\",null,0.1]");
    }

    @Test
    void requestsAreListedAndEnded() throws Exception {
        ServerFixture fixture = new ServerFixture();
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post(
                    "/v1/completions",
                    "{\"prompt\":\"hush\",\"max_tokens\":9000,\"stream\":true}",
                    "X-Request-Id: job-7"));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("abc");
            BrowserPage page = open(fixture, "/#requests", 1200, 800);
            page.awaitText("#rows", "3 / 9000");
            assertThat(page.text("#rows").replaceAll("\\s+", " ")).startsWith("job-7 /v1/completions default running ");
            assertThat(page.text("body")).doesNotContain("hush", "abc");
            page.click("#rows button", "Abort");
            page.click("#rows button", "Sure?");
            ServerFixture.await("it is aborted", () -> fixture.engine.aborted().contains(work.request.id()));
            page.awaitText("#requests-status", "No requests.");
        }
    }

    @Test
    void aKeyIsAskedForAndKeptInTheTab() throws Exception {
        ServerFixture fixture = new ServerFixture(
                options -> options.security(new SecurityOptions(SecurityOptions.keys(List.of("sk-user"), List.of()))));
        BrowserPage page = open(fixture, "/", 1200, 800);
        page.await("document.querySelector('#key-dialog').open");
        page.awaitText("#key-why", "this server needs an API key");
        page.await("document.activeElement.id === 'key-input'");
        page.type("sk-wrong");
        page.press("Enter");
        page.awaitText("#key-why", "not one of this server");
        page.evaluate("document.querySelector('#key-input').select()");
        page.type("sk-user");
        page.press("Enter");
        page.await("document.querySelector('#model').value === 'stub'");
        assertThat(page.evaluate("document.querySelector('#key-dialog').open").asBoolean())
                .isFalse();
        assertThat(page.evaluate("sessionStorage.getItem('apus.key')").asString())
                .isEqualTo("sk-user");
        assertThat(page.evaluate("JSON.stringify(localStorage)").asString()).doesNotContain("sk-user");
        page.evaluate("document.querySelector('#input').focus()");
        say(page, "hi");
        fixture.engine.next();
        assertThat(page.requested()).noneMatch(url -> url.contains("sk-"));
    }

    @Test
    void everythingIsReachedByTheKeyboard() {
        BrowserPage page = open(new ServerFixture(), "/", 1200, 800);
        page.await("document.querySelector('#model').value === 'stub'");
        page.evaluate("document.querySelector('.skip').focus()");
        List<String> order = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            order.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
                    .asString());
            assertThat(page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                            .asString())
                    .as("%s shows that it has the focus", order)
                    .isNotEqualTo("none");
            if (order.getLast().equals("send")) {
                break;
            }
            page.press("Tab");
        }
        assertThat(order)
                .containsExactly(
                        "To the content",
                        "Chat",
                        "Live",
                        "Requests",
                        "key",
                        "Settings",
                        "model",
                        "system",
                        "temperature",
                        "top_p",
                        "max_tokens",
                        "seed",
                        "log",
                        "input",
                        "send");
        assertThat(page.count("input:not([type=hidden])")).isPositive();
        assertThat(page.evaluate(
                                "[...document.querySelectorAll('input, select, textarea')].filter(e => e.labels.length === 0).map(e => e.id)")
                        .size())
                .as("fields without a label")
                .isZero();
    }

    @Test
    void nothingIsWiderThanAPhone() throws Exception {
        ServerFixture fixture = new ServerFixture();
        BrowserPage page = open(fixture, "/", 360, 640);
        say(page, "w".repeat(300));
        ManualEngine.Work work = fixture.engine.next();
        work.emit("x".repeat(300) + "\n\n```\n" + "y".repeat(300) + "\n```\n");
        page.awaitText(ANSWER, "yyy");
        for (String view : List.of("chat", "live", "requests")) {
            page.evaluate("location.hash = '#" + view + "'");
            page.await("!document.querySelector('#" + view + "').hidden");
            page.await(view.equals("requests") ? "document.querySelectorAll('#rows tr').length === 1" : "true");
            assertThat(page.evaluate(
                                    "[...document.querySelectorAll('body, header, main, section, #log, #composer, article, .chart, tr, nav a, button')]"
                                            + ".filter(e => e.getBoundingClientRect().right > innerWidth + 0.5"
                                            + " || (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'hidden' && e.clientWidth > 0))"
                                            + ".map(e => e.tagName + '#' + e.id + '.' + e.className).join()")
                            .asString())
                    .as("too wide in " + view)
                    .isEmpty();
        }
    }

    /** WCAG AA: 4.5 to 1 for text. */
    @ParameterizedTest
    @ValueSource(strings = {"light", "dark"})
    void coloursAreReadable(String scheme) {
        BrowserPage page = open(new ServerFixture(), "/", 1200, 800);
        page.prefer(scheme);
        String low = page.evaluate("""
                (() => {
                  const style = getComputedStyle(document.documentElement);
                  const light = (name) => {
                    const hex = style.getPropertyValue(name).trim().slice(1);
                    const [r, g, b] = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
                      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                  };
                  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
                  const pairs = ['--text', '--soft', '--accent', '--error', '--s0', '--s1'].flatMap((text) =>
                    ['--back', '--panel'].map((back) => [text, back]));
                  pairs.push(['--on-accent', '--accent'], ['--text', '--mine'], ['--soft', '--mine'], ['--text', '--code'], ['--soft', '--code']);
                  return pairs.filter(([a, b]) => !(contrast(a, b) >= 4.5)).map((pair) => `${pair} ${contrast(...pair)}`).join('; ');
                })()""").asString();
        assertThat(low).isEmpty();
        assertThat(page.evaluate("getComputedStyle(document.body).backgroundColor")
                        .asString())
                .isEqualTo(scheme.equals("dark") ? "rgb(18, 23, 27)" : "rgb(246, 247, 248)");
    }
}
