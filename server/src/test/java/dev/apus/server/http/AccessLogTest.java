package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.TokenizeRequest;
import dev.apus.server.auth.SecurityOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** One line per request, and nothing in it that a client could forge or that is nobody else's business. */
@Timeout(60)
class AccessLogTest {
    private static final String SECRET = "sk-secret-1";
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();
    private final JsonMapper json = new JsonMapper();

    private ServerFixture fixture(AccessLogFormat format) {
        return new ServerFixture(options -> options.watch(WatchOptions.NONE.withAccessLog(format, written)));
    }

    private List<String> lines(int count) throws InterruptedException {
        ServerFixture.await(count + " lines", () -> text().lines().count() >= count);
        assertThat(text().lines()).hasSize(count);
        assertThat(text()).endsWith("\n");
        return text().lines().toList();
    }

    private String text() {
        return written.toString(StandardCharsets.UTF_8);
    }

    private JsonNode line() throws InterruptedException {
        return json.readTree(lines(1).getFirst());
    }

    @Test
    void tellsWhatARequestUsed() throws Exception {
        try (ServerFixture fixture = fixture(AccessLogFormat.JSON);
                RawClient client = fixture.connect()) {
            client.send(RawClient.post(
                    "/v1/completions?x=private",
                    "{\"prompt\":\"abcd\",\"max_tokens\":9,\"stream\":true}",
                    "X-Request-Id: r-7",
                    "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    "X-Gateway-Inference-Fairness-Id: team-a"));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("secret words");
            fixture.engine.finish(work);
            client.readAnswer();

            JsonNode line = line();
            assertThat(line.get("request_id").stringValue()).isEqualTo("r-7");
            assertThat(line.get("trace_id").stringValue()).isEqualTo("0af7651916cd43dd8448eb211c80319c");
            assertThat(line.get("tenant").stringValue()).isEqualTo("team-a");
            assertThat(line.get("key").stringValue()).isEqualTo("none");
            assertThat(line.get("method").stringValue()).isEqualTo("POST");
            assertThat(line.get("route").stringValue()).isEqualTo("/v1/completions");
            assertThat(line.get("status").intValue()).isEqualTo(200);
            assertThat(line.get("protocol").stringValue()).isEqualTo("HTTP/1.1");
            assertThat(line.get("remote").stringValue()).startsWith("127.0.0.1:");
            assertThat(line.get("prompt_tokens").intValue()).isEqualTo(4);
            assertThat(line.get("completion_tokens").intValue()).isEqualTo(12);
            assertThat(line.get("cached_tokens").intValue()).isZero();
            assertThat(line.get("finish_reason").stringValue()).isEqualTo("length");
            assertThat(line.get("bytes_in").intValue()).isEqualTo(46);
            assertThat(line.get("bytes_out").intValue()).isGreaterThan(100);
            assertThat(line.get("ttft_ms").doubleValue())
                    .isBetween(0.0, line.get("ms").doubleValue());
            assertThat(line.get("time").stringValue()).matches("\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z");
            assertThat(text()).doesNotContain("private", "abcd", "secret");
        }
    }

    /** The line comes when the engine has ended, too: what was made in vain is in it. */
    @Test
    void aClientThatGoesIsLoggedWithWhatItCost() throws Exception {
        try (ServerFixture fixture = fixture(AccessLogFormat.JSON)) {
            RawClient client = fixture.connect();
            fixture.start(client, true).emit("abc");
            client.readUntil("abc");
            client.reset();
            JsonNode line = line();
            assertThat(line.get("status").intValue()).isEqualTo(499);
            assertThat(line.get("finish_reason").stringValue()).isEqualTo("abort");
            assertThat(line.get("completion_tokens").intValue()).isEqualTo(3);
        }
    }

    /** Whatever a client sends: a line each, and no field that it could add or change. */
    @Test
    void hostileHeadersMakeNoLines() throws Exception {
        List<String> hostile = List.of(
                "X-Request-Id: a\tb",
                "X-Request-Id: x\",\"status\":200,\"y\":\"",
                "X-Request-Id: \u001b[31mred",
                "X-Request-Id: " + "x".repeat(5000),
                "X-Request-Id: status=200 route=/admin",
                "X-Gateway-Inference-Fairness-Id: a\\nb\"}",
                "Authorization: Bearer " + SECRET,
                "User-Agent: ${jndi:ldap://127.0.0.1/a}");
        try (ServerFixture fixture = fixture(AccessLogFormat.JSON)) {
            for (String header : hostile) {
                fixture.connectAndAnswer(RawClient.get("/v1/nothing\u007f{}", header));
            }
            for (String line : lines(hostile.size())) {
                JsonNode tree = json.readTree(line);
                assertThat(tree.propertyNames()).hasSize(18);
                assertThat(tree.get("request_id").stringValue()).matches("[0-9a-f-]{36}");
                assertThat(tree.get("status").intValue()).isBetween(400, 499);
                assertThat(tree.get("route").stringValue()).isEqualTo("none");
                assertThat(line).doesNotContain(SECRET, "jndi", "\u001b", "\\u001b");
            }
        }
    }

    @Test
    void aMethodIsShownAsText() throws Exception {
        try (ServerFixture fixture = fixture(AccessLogFormat.TEXT)) {
            fixture.connectAndAnswer("G|'`ET".repeat(100) + " / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            String line = lines(1).getFirst();
            Map<String, String> fields = fields(line);
            assertThat(fields.get("method")).hasSizeLessThan(300);
            assertThat(fields).containsEntry("status", "405").containsEntry("route", "/");
            assertThat(fields).doesNotContainKey("finish_reason");
        }
    }

    /** As logfmt is read. */
    private static Map<String, String> fields(String line) {
        Map<String, String> fields = new TreeMap<>();
        Matcher pairs = Pattern.compile("([a-z_]+)=(\"(?:[^\"\\\\]|\\\\.)*\"|[^ \"]*)(?: |$)")
                .matcher(line);
        int end = 0;
        while (pairs.find()) {
            assertThat(pairs.start()).isEqualTo(end);
            end = pairs.end();
            fields.put(pairs.group(1), pairs.group(2));
        }
        assertThat(end).isEqualTo(line.length());
        return fields;
    }

    @Test
    void aKeyIsKnownByItsName() throws Exception {
        try (ServerFixture fixture = new ServerFixture(
                options -> options.watch(WatchOptions.NONE.withAccessLog(AccessLogFormat.TEXT, written))
                        .security(new SecurityOptions(SecurityOptions.keys(List.of(SECRET), List.of()))))) {
            fixture.connectAndAnswer(RawClient.get("/v1/models", "Authorization: Bearer " + SECRET));
            fixture.connectAndAnswer(RawClient.get("/v1/models", "Authorization: Bearer wrong-" + SECRET));
            List<String> lines = lines(2);
            assertThat(fields(lines.getFirst())).containsEntry("status", "200").doesNotContainEntry("key", "none");
            assertThat(fields(lines.getLast())).containsEntry("status", "401").containsEntry("key", "none");
            assertThat(text()).doesNotContain(SECRET);
        }
    }

    @Test
    void logsGrpcCallsOnce() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture(
                options -> options.watch(WatchOptions.NONE.withAccessLog(AccessLogFormat.JSON, written)))) {
            Thread asking = Thread.ofVirtual()
                    .start(() -> InferenceGrpc.newBlockingStub(fixture.client.with("x-request-id", "g-1"))
                            .generate(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9))));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("abc");
            fixture.engine.finish(work);
            asking.join();
            JsonNode line = line();
            assertThat(line.get("request_id").stringValue()).isEqualTo("g-1");
            assertThat(line.get("protocol").stringValue()).isEqualTo("gRPC");
            assertThat(line.get("route").stringValue()).isEqualTo("/apus.v1.Inference/Generate");
            assertThat(line.get("grpc_status").stringValue()).isEqualTo("OK");
            assertThat(line.get("prompt_tokens").intValue()).isEqualTo(2);
            assertThat(line.get("completion_tokens").intValue()).isEqualTo(3);
            assertThat(line.get("bytes_in").intValue()).isPositive();

            fixture.client.channel();
            InferenceGrpc.newBlockingStub(fixture.client.channel())
                    .tokenize(TokenizeRequest.newBuilder().setText("abc").build());
            assertThat(lines(2).getLast()).contains("\"route\":\"/apus.v1.Inference/Tokenize\"");
        }
    }

    /** A log that cannot be written costs its lines and nothing else. */
    @Test
    void aBrokenOutputDoesNotDisturbRequests() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        OutputStream broken = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("no space left");
            }

            @Override
            public void write(byte[] bytes, int from, int count) throws IOException {
                tries.incrementAndGet();
                throw new IOException("no space left");
            }
        };
        try (ServerFixture fixture = new ServerFixture(
                options -> options.watch(WatchOptions.NONE.withAccessLog(AccessLogFormat.TEXT, broken)))) {
            assertThat(fixture.connectAndAnswer(RawClient.get("/version"))).startsWith("HTTP/1.1 200");
            ServerFixture.await("a try", () -> tries.get() > 0);
            ServerFixture.await("the count", () -> Scrape.of(fixture).value("apus:access_log_dropped_total") > 0);
        }
    }
}
