package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests that brought other servers down: each is one answer, and the engine hears of none. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HostileRequestTest {
    private static final String CHAT = "/v1/chat/completions";

    private final ServerFixture fixture = new ServerFixture(options -> options.maxBodyBytes(8 << 20));

    @AfterAll
    void close() {
        fixture.close();
    }

    private static String chat(String more) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," + more + "}";
    }

    private void assertRefused(String path, String body) {
        String answer = fixture.connectAndAnswer(RawClient.post(path, body));
        assertThat(answer.substring(0, 12)).isIn("HTTP/1.1 400", "HTTP/1.1 413", "HTTP/1.1 503");
        assertThat(answer).contains("\"error\"").hasSizeLessThan(4000);
        assertThat(fixture.engine.live()).isZero();
        assertThat(fixture.connectAndAnswer(RawClient.get("/health"))).startsWith("HTTP/1.1 200 ");
    }

    private static Stream<Arguments> bodies() {
        String many = IntStream.range(0, 100_000)
                .mapToObj(i -> "\"" + i % 65536 + "\":1")
                .collect(Collectors.joining(","));
        String distinct =
                IntStream.range(0, 60_000).mapToObj(i -> "\"" + i + "\":1").collect(Collectors.joining(","));
        return Stream.of(
                Arguments.of("n", chat("\"n\":16384")),
                Arguments.of("best_of", "{\"prompt\":\"hi\",\"best_of\":16384}"),
                Arguments.of("prompts times n", "{\"prompt\":[" + "\"a\",".repeat(1000) + "\"a\"],\"n\":128}"),
                Arguments.of("logit_bias, repeated", chat("\"logit_bias\":{" + many + "}")),
                Arguments.of("logit_bias, distinct", chat("\"logit_bias\":{" + distinct + "}")),
                Arguments.of("stop strings", chat("\"stop\":[" + "\"a\",".repeat(100_000) + "\"a\"]")),
                Arguments.of("deep arrays", chat("\"metadata\":" + "[".repeat(500_000) + "]".repeat(500_000))),
                Arguments.of("deep objects", chat("\"x\":" + "{\"a\":".repeat(200_000) + "1" + "}".repeat(200_000))),
                Arguments.of("open arrays", "[".repeat(1_000_000)),
                Arguments.of("a long number", chat("\"seed\":" + "9".repeat(1_000_000))),
                Arguments.of("a large exponent", chat("\"seed\":1e999999999")),
                Arguments.of("a long name", "{\"" + "a".repeat(1_000_000) + "\":1}"),
                Arguments.of("a pattern", chat(tool("\"pattern\":\"(((((a*)*)*)*)*)$[\""))),
                Arguments.of("a type", chat(tool("\"type\":\"wrong\""))),
                Arguments.of("a type that is a list", chat(tool("\"type\":[[],{}]"))),
                Arguments.of("a regex", chat("\"structured_outputs\":{\"regex\":\"(a+)+$\"}")),
                Arguments.of("a grammar", chat("\"structured_outputs\":{\"grammar\":\"root ::= root root\"}")),
                Arguments.of(
                        "a schema",
                        chat("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\","
                                + "\"schema\":{\"$ref\":\"http://127.0.0.1:1/\"}}}")));
    }

    private static String tool(String property) {
        return "\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
                + "{\"type\":\"object\",\"properties\":{\"a\":{" + property + "}}}}}]";
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("bodies")
    void oneRequestBringsNothingDown(String what, String body) {
        assertThat(what).isNotEmpty();
        assertRefused(body.startsWith("{\"prompt\"") ? "/v1/completions" : CHAT, body);
    }

    /** What a server that fetches would be made to fetch: nothing is, whatever the address and its form. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://169.254.169.254/latest/meta-data/\"}}",
                "{\"type\":\"image_url\",\"image_url\":{\"url\":\"file:///etc/passwd\"}}",
                "{\"type\":\"image_url\",\"image_url\":\"http://127.0.0.1:1/\"}",
                "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/jp2;base64,AAAA\"}}",
                "{\"type\":\"video_url\",\"video_url\":{\"url\":\"http://localhost/\"}}",
                "{\"type\":\"audio_url\",\"audio_url\":{\"url\":\"http://localhost/\"}}",
                "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}",
                "{\"type\":\"file\",\"file\":{\"file_id\":\"/etc/passwd\"}}",
                "{\"type\":\"file_url\",\"file_url\":{\"url\":\"http://localhost/\"}}"
            })
    void nothingIsFetched(String part) {
        String answer = fixture.connectAndAnswer(
                RawClient.post(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[" + part + "]}]}"));
        String type = part.substring("{\"type\":\"".length(), part.indexOf('"', "{\"type\":\"".length()));
        assertThat(answer).startsWith("HTTP/1.1 400 ").contains(type);
        assertThat(fixture.engine.live()).isZero();
    }

    /** CVE-2025-48956: a head of gigabytes, from anybody. */
    @Test
    void aHeadHasALimit() throws Exception {
        for (String head : List.of("GET /health HTTP/1.1\r\nHost: localhost\r\nx-a: ", "GET /", "GET /health?")) {
            try (RawClient client = fixture.connect()) {
                assertThat(client.send(head + "a".repeat(1 << 20)).readAnswer()).matches("(?s)HTTP/1\\.1 4(31|14) .*");
            }
        }
    }

    /** A template of a request's would be a program of the sender's. */
    @Test
    void aRequestBringsNoTemplate() {
        assertRefused(CHAT, chat("\"chat_template\":\"{{ ''.__class__.__mro__[1].__subclasses__() }}\""));
    }
}
