package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.auth.SecurityOptions;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The console as it is sent: to whom, with which headers, and nothing else of the jar. */
@Timeout(30)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConsoleTest {
    /** As Firefox sends it. */
    private static final String BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    private static final int MOST_BYTES = 60_000;

    private final ServerFixture fixture = new ServerFixture(
            options -> options.security(new SecurityOptions(SecurityOptions.keys(List.of("sk-user"), List.of()))));

    @AfterAll
    void close() {
        fixture.close();
    }

    private String get(String path, String... headers) {
        return fixture.connectAndAnswer(RawClient.get(path, headers));
    }

    private static String header(String answer, String name) {
        var matcher = Pattern.compile("\r\n" + name + ": ([^\r]*)\r\n").matcher(answer);
        assertThat(matcher.find()).as("%s in %s", name, answer).isTrue();
        return matcher.group(1);
    }

    @Test
    void aBrowserGetsThePageWithoutAKeyAndOthersWhatTheyGot() {
        String page = get("/", "Accept: " + BROWSER);
        assertThat(page)
                .startsWith("HTTP/1.1 200 ")
                .contains("\r\ncontent-type: text/html; charset=utf-8\r\n", "\r\nvary: accept\r\n")
                .contains("<!doctype html>")
                // It is the same for all: nothing of the server is in it.
                .doesNotContain("stub");
        for (String accept : List.of("Accept: */*", "Accept: application/json", "X: y")) {
            assertThat(get("/", accept)).startsWith("HTTP/1.1 401 ");
            assertThat(get("/", accept, "Authorization: Bearer sk-user"))
                    .startsWith("HTTP/1.1 200 ")
                    .contains("\"server\":\"apus\"", "\"model\":\"stub\"", "\r\nvary: accept\r\n");
        }
        assertThat(get("/v1/models", "Accept: " + BROWSER)).startsWith("HTTP/1.1 401 ");
        assertThat(fixture.connectAndAnswer(RawClient.post("/", "{}", "Accept: " + BROWSER)))
                .startsWith("HTTP/1.1 401 ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "/console/app.js", "/console/style.css", "/console/icon.svg"})
    void theBrowserIsToldToBeStrict(String path) {
        String answer = get(path, "Accept: " + BROWSER);
        assertThat(answer).startsWith("HTTP/1.1 200 ");
        assertThat(header(answer, "content-security-policy"))
                .startsWith("default-src 'none'; script-src 'self'; style-src 'self';")
                .contains("connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
                .contains("require-trusted-types-for 'script'")
                .doesNotContain("unsafe", "*", "http:", "data:");
        assertThat(header(answer, "x-content-type-options")).isEqualTo("nosniff");
        assertThat(header(answer, "referrer-policy")).isEqualTo("no-referrer");
        assertThat(header(answer, "cache-control")).isEqualTo("no-cache");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "/console/app.js"})
    void whatTheBrowserHasIsNotSentAgain(String path) throws IOException {
        String accept = "Accept: " + BROWSER;
        String tag = header(get(path, accept), "etag");
        assertThat(tag).matches("\"[0-9a-f]{24}\"");
        for (String known : List.of(tag, "W/" + tag, "\"other\", " + tag, "*")) {
            try (RawClient client = fixture.connect()) {
                client.send(RawClient.get(path, accept, "If-None-Match: " + known) + RawClient.get("/live"));
                String answer = client.readUntil("\r\n\r\n");
                assertThat(answer)
                        .startsWith("HTTP/1.1 304 Not Modified\r\n")
                        .contains("\r\netag: " + tag)
                        .doesNotContain("content-length:", "content-type:");
                // Nothing follows but the next answer.
                assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ");
            }
        }
        assertThat(get(path, accept, "If-None-Match: \"other\"")).startsWith("HTTP/1.1 200 ");
    }

    @Test
    void headTellsWhatGetSends() throws IOException {
        for (String path : List.of("/", "/console/style.css")) {
            String whole = get(path, "Accept: " + BROWSER);
            try (RawClient client = fixture.connect()) {
                client.send(RawClient.get(path, "Accept: " + BROWSER, "Connection: close")
                        .replace("GET", "HEAD"));
                String head = client.readAll();
                assertThat(head).startsWith("HTTP/1.1 200 ").endsWith("\r\n\r\n");
                assertThat(header(head, "content-length")).isEqualTo(header(whole, "content-length"));
                assertThat(header(head, "etag")).isEqualTo(header(whole, "etag"));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/console/index.html",
                "/console/nothing.js",
                "/console/../openapi/index",
                "/console/..%2fopenapi/index",
                "/console/%2e%2e/cli/version.properties",
                "/console//app.js",
                "/console/app.js/",
                "/console/APP.JS",
                "/console/app.js%00",
                "/console/../v1/models"
            })
    void nothingElseIsThere(String path) {
        assertThat(get(path))
                .startsWith("HTTP/1.1 404 ")
                .contains("\"code\":\"not_found\"")
                .doesNotContain("stub");
    }

    @ParameterizedTest
    @EnumSource(Wire.class)
    void everyProtocolSendsIt(Wire wire) throws Exception {
        try (ApiServer server = new ApiServer(wire, new CharTokenizer(), new StubEngine(), options -> options)) {
            HttpClient client = server.client();
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(URI.create(server.url() + "/")).header("Accept", BROWSER);
            HttpResponse<String> page = client.send(request.build(), BodyHandlers.ofString());
            assertThat(page.statusCode()).isEqualTo(200);
            assertThat(page.body()).endsWith("</html>\n");
            String tag = page.headers().firstValue("etag").orElseThrow();
            HttpResponse<String> again =
                    client.send(request.header("If-None-Match", tag).build(), BodyHandlers.ofString());
            assertThat(again.statusCode()).isEqualTo(304);
            assertThat(again.body()).isEmpty();
        }
    }

    /** All that the page and its scripts name is there, comes from the server itself, and is small. */
    @Test
    void thePageIsWholeAndSmall() throws IOException {
        String page = get("/", "Accept: " + BROWSER);
        List<String> files = Pattern.compile("(?:href|src)=\"([^\"#]+)\"")
                .matcher(page)
                .results()
                .map(found -> found.group(1))
                .toList();
        assertThat(files).containsExactlyInAnyOrder("console/icon.svg", "console/style.css", "console/app.js");
        long bytes = 0;
        for (String name : names().toList()) {
            String text = resource(name);
            bytes += text.length();
            assertThat(text).as(name).doesNotContain("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "\u00a0");
            assertThat(text.replace("http://www.w3.org/2000/svg", ""))
                    .as(name)
                    .doesNotContain("http://", "https://", "//cdn");
            Pattern.compile("from \"\\./([\\w.]+)\"")
                    .matcher(text)
                    .results()
                    .forEach(found ->
                            assertThat(get("/console/" + found.group(1))).startsWith("HTTP/1.1 200 "));
        }
        assertThat(bytes).isBetween(10_000L, (long) MOST_BYTES);
    }

    private static Stream<String> names() {
        return Stream.of(
                "index.html",
                "style.css",
                "icon.svg",
                "app.js",
                "api.js",
                "dom.js",
                "chat.js",
                "markdown.js",
                "live.js",
                "chart.js",
                "requests.js");
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = ConsoleTest.class.getResourceAsStream("/dev/apus/server/console/" + name)) {
            assertThat(in).as(name).isNotNull();
            return new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        }
    }
}
