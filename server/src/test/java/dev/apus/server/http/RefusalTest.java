package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.vllm.VllmEngineGrpc;
import dev.apus.scheduler.DeadlineException;
import dev.apus.scheduler.QueueFullException;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a request is told that the engine does not let in, whatever API it came by, and that it costs its tenant nothing. */
@Timeout(60)
class RefusalTest {
    private static final String KEY = "Authorization: Bearer key";
    private static final Map<String, String> BODIES = Map.of(
            "/v1/completions", "{\"prompt\":\"four\",\"max_tokens\":9}",
            "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"four\"}],\"max_tokens\":9}",
            "/v1/responses", "{\"input\":\"four\",\"max_output_tokens\":9}",
            "/v1/messages", "{\"messages\":[{\"role\":\"user\",\"content\":\"four\"}],\"max_tokens\":9}");

    private final GrpcFixture fixture = new GrpcFixture(options -> options.security(new SecurityOptions(List.of(
            ApiKey.ofSecret(
                    "key", new Principal("a", "acme", Set.of(Role.INFERENCE), Set.of(), new Terms(1, 1, 0, 500, 0))),
            ApiKey.ofSecret("watch", Principal.of("watch", Role.MONITOR))))));

    @AfterEach
    void close() {
        fixture.close();
    }

    private String answer(String request) throws Exception {
        try (RawClient client = new RawClient(fixture.server)) {
            return client.send(request).readAnswer();
        }
    }

    private static String stream(String body) {
        return body.replace("{", "{\"stream\":true,").replace("[{\"stream\":true,", "[{");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"})
    void aDeadlineThatCannotBeMetIs503AndCostsNothing(String path) throws Exception {
        fixture.engine.refusal = new DeadlineException("the first token", 900, 250, 4);
        String type = path.equals("/v1/messages") ? "overloaded_error" : "deadline_unreachable";
        String body = BODIES.getOrDefault(path, "");
        for (String sent : List.of(body, stream(body))) {
            assertThat(answer(RawClient.post(path, sent, KEY)))
                    .startsWith("HTTP/1.1 503 ")
                    .contains(
                            "retry-after: 4\r\n",
                            "x-ratelimit-remaining-tokens: 500\r\n",
                            "\"type\":\"",
                            type,
                            "the first token would come in about 900 ms, is wanted within 250 ms");
        }
        assertThat(answer(RawClient.get("/metrics", "Authorization: Bearer watch")))
                .containsPattern("vllm:admission_rejections_total\\{[^}]*reason=\"deadline\"[^}]*\\} 2\\.0")
                .containsPattern("vllm:admission_rejections_total\\{[^}]*reason=\"queue_full\"[^}]*\\} 0\\.0");
        // The bucket fills with time: what matters is that nothing is missing.
        assertThat(answer(RawClient.post(path, body.replace("four", "f".repeat(501)), KEY)))
                .startsWith("HTTP/1.1 429 ");
        fixture.engine.refusal = null;
        assertThat(fixture.engine.live()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"REQUESTS, queue_full", "TOKENS, queued_tokens"})
    void aFullQueueIs429ByEitherLimit(QueueFullException.Limit limit, String reason) throws Exception {
        fixture.engine.refusal = new QueueFullException(limit, "as many as may be", 3);
        for (Map.Entry<String, String> api : BODIES.entrySet()) {
            assertThat(answer(RawClient.post(api.getKey(), api.getValue(), KEY)))
                    .startsWith("HTTP/1.1 429 ")
                    .contains("retry-after: 3\r\n", "rate_limit_error", "the server is busy: as many as may be");
        }
        assertThat(answer(RawClient.get("/metrics", "Authorization: Bearer watch")))
                .containsPattern("vllm:admission_rejections_total\\{[^}]*reason=\"" + reason + "\"[^}]*\\} 4\\.0");
    }

    /** It is not answered as queued first. */
    @Test
    void aBackgroundResponseIsRefusedAtOnce() throws Exception {
        fixture.engine.refusal = new DeadlineException("the answer", 900, 250, 4);
        String body = "{\"input\":\"four\",\"background\":true,\"max_output_tokens\":9}";
        assertThat(answer(RawClient.post("/v1/responses", body, KEY)))
                .startsWith("HTTP/1.1 503 ")
                .contains("retry-after: 4\r\n", "deadline_unreachable", "x-ratelimit-remaining-tokens: 500\r\n");
    }

    @Test
    void overGrpcTheClientIsToldWhenToTryAgain() throws Exception {
        fixture.engine.refusal = new DeadlineException("the first token", 900, 250, 4);
        var channel = fixture.client.with("x-api-key", "key");
        for (StatusRuntimeException error : List.of(
                GrpcClient.error(() -> InferenceGrpc.newBlockingStub(channel)
                        .generate(GrpcInferenceTest.text("four", GrpcInferenceTest.tokens(9)))),
                GrpcClient.error(() -> InferenceGrpc.newBlockingStub(channel)
                        .generateStream(GrpcInferenceTest.text("four", GrpcInferenceTest.tokens(9)))
                        .next()),
                GrpcClient.error(() -> VllmEngineGrpc.newBlockingStub(channel)
                        .generate(GrpcVllmTest.request("four", true, GrpcVllmTest.tokens(9)))
                        .next()))) {
            assertThat(error.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
            assertThat(error.getStatus().getDescription()).contains("would come in about 900 ms");
            assertThat(GrpcClient.detail(error, RetryInfo.class).getRetryDelay().getSeconds())
                    .isEqualTo(4);
            assertThat(GrpcClient.detail(error, ErrorInfo.class).getReason()).isEqualTo("DEADLINE_UNREACHABLE");
        }
        fixture.engine.refusal = new QueueFullException(7, 7, 3);
        StatusRuntimeException full = GrpcClient.error(() -> InferenceGrpc.newBlockingStub(channel)
                .generate(GrpcInferenceTest.text("four", GrpcInferenceTest.tokens(9))));
        assertThat(full.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(GrpcClient.detail(full, RetryInfo.class).getRetryDelay().getSeconds())
                .isEqualTo(3);
    }

    /** What the quota refuses is no less a refusal. */
    @Test
    void aSpentQuotaIsCountedToo() throws Exception {
        assertThat(answer(RawClient.post("/v1/completions", "{\"prompt\":\"" + "x".repeat(501) + "\"}", KEY)))
                .startsWith("HTTP/1.1 429 ");
        assertThat(answer(RawClient.get("/metrics", "Authorization: Bearer watch")))
                .containsPattern("vllm:admission_rejections_total\\{[^}]*reason=\"rate_limit\"[^}]*\\} 1\\.0");
    }
}
