package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.ListModelsRequest;
import dev.apus.proto.vllm.AbortRequest;
import dev.apus.proto.vllm.GenerateResponse;
import dev.apus.proto.vllm.GetModelInfoRequest;
import dev.apus.proto.vllm.GetServerInfoRequest;
import dev.apus.proto.vllm.VllmEngineGrpc;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.auth.Terms;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/** Keys, roles and quotas over gRPC are those of HTTP. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GrpcAuthTest {
    private final GrpcFixture fixture = new GrpcFixture(options -> options.security(new SecurityOptions(keys())));

    private static List<ApiKey> keys() {
        Terms one = new Terms(1, 1, 1, 0, 0);
        return List.of(
                ApiKey.ofSecret("user", Principal.of("user", Role.INFERENCE)),
                ApiKey.ofSecret("monitor", Principal.of("monitor", Role.MONITOR)),
                ApiKey.ofSecret("admin", Principal.of("admin", Role.ADMIN)),
                ApiKey.ofSecret(
                        "rival", new Principal("rival", "rival", Set.of(Role.INFERENCE), Set.of(), Terms.USUAL)),
                ApiKey.ofSecret("once", new Principal("once", "poor", Set.of(Role.INFERENCE), Set.of(), one)));
    }

    @AfterAll
    void close() {
        fixture.close();
    }

    private Status.Code generate(Channel channel) {
        return GrpcClient.code(() -> InferenceGrpc.newBlockingStub(channel)
                .generate(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9))));
    }

    @Test
    void nothingIsToldWithoutAKeyButHealth() {
        for (Channel channel : List.of(
                fixture.client.channel(),
                fixture.client.with("authorization", "Bearer wrong"),
                fixture.client.with("x-api-key", "wrong"),
                fixture.client.with("authorization", "user"))) {
            assertThat(generate(channel)).isEqualTo(Status.Code.UNAUTHENTICATED);
            assertThat(GrpcClient.code(() ->
                            InferenceGrpc.newBlockingStub(channel).listModels(ListModelsRequest.getDefaultInstance())))
                    .isEqualTo(Status.Code.UNAUTHENTICATED);
            assertThat(GrpcClient.code(() -> VllmEngineGrpc.newBlockingStub(channel)
                            .getModelInfo(GetModelInfoRequest.getDefaultInstance())))
                    .isEqualTo(Status.Code.UNAUTHENTICATED);
            assertThat(health(channel)).isEqualTo(ServingStatus.SERVING);
        }
        assertThat(fixture.engine.live()).isZero();
    }

    private static ServingStatus health(Channel channel) {
        return HealthGrpc.newBlockingStub(channel)
                .check(HealthCheckRequest.getDefaultInstance())
                .getStatus();
    }

    @Test
    void aKeyIsTakenFromEitherFieldAndNeedsTheRole() {
        for (Channel channel : List.of(
                fixture.client.with("authorization", "Bearer user"), fixture.client.with("x-api-key", "user"))) {
            assertThat(InferenceGrpc.newBlockingStub(channel)
                            .listModels(ListModelsRequest.getDefaultInstance())
                            .toString())
                    .contains("stub");
        }
        assertThat(generate(fixture.client.with("x-api-key", "monitor"))).isEqualTo(Status.Code.PERMISSION_DENIED);
        assertThat(fixture.engine.live()).isZero();
    }

    /** Those without a key do not learn what there is. */
    @Test
    void aMethodThatDoesNotExistNeedsAKeyToo() {
        assertThat(unknown(fixture.client.channel())).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(unknown(fixture.client.with("x-api-key", "wrong"))).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(unknown(fixture.client.with("x-api-key", "user"))).isEqualTo(Status.Code.UNIMPLEMENTED);
    }

    private static Status.Code unknown(Channel channel) {
        var method = InferenceGrpc.getListModelsMethod().toBuilder()
                .setFullMethodName("no.such.Service/Method")
                .build();
        return GrpcClient.code(() -> ClientCalls.blockingUnaryCall(
                channel, method, CallOptions.DEFAULT, ListModelsRequest.getDefaultInstance()));
    }

    @Test
    void whatTellsOfAllTenantsNeedsTheRoleMonitor() {
        for (String key : List.of("user", "once")) {
            Channel channel = fixture.client.with("x-api-key", key);
            VllmEngineGrpc.VllmEngineBlockingStub vllm = VllmEngineGrpc.newBlockingStub(channel);
            for (Status.Code code : List.of(
                    GrpcClient.code(() -> InferenceGrpc.newBlockingStub(channel)
                            .getLoads(dev.apus.proto.v1.GetLoadsRequest.getDefaultInstance())),
                    GrpcClient.code(() -> vllm.getLoads(dev.apus.proto.vllm.GetLoadsRequest.getDefaultInstance())),
                    GrpcClient.code(() -> vllm.getServerInfo(GetServerInfoRequest.getDefaultInstance())))) {
                assertThat(code).isEqualTo(Status.Code.PERMISSION_DENIED);
            }
        }
        VllmEngineGrpc.VllmEngineBlockingStub vllm =
                VllmEngineGrpc.newBlockingStub(fixture.client.with("x-api-key", "monitor"));
        assertThat(vllm.getLoads(dev.apus.proto.vllm.GetLoadsRequest.getDefaultInstance())
                        .getLoadsCount())
                .isOne();
    }

    @Test
    void quotasHold() throws Exception {
        Channel once = fixture.client.with("authorization", "Bearer once");
        GrpcClient.Collector<GenerateRequest, GenerationResponse> first = new GrpcClient.Collector<>(-1);
        InferenceGrpc.newStub(once).generateStream(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9)), first);
        ManualEngine.Work work = fixture.engine.next();
        assertThat(work.request.tenant().name()).isEqualTo("poor");
        work.emit("a");
        fixture.engine.finish(work);
        assertThat(first.end()).isEqualTo(Status.Code.OK);
        assertThat(generate(once)).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    }

    @Test
    void aRequestOfAnotherTenantIsNotAborted() throws Exception {
        Channel mine = fixture.client.with("x-api-key", "user");
        Channel theirs = fixture.client.with("x-api-key", "rival");
        var request = GrpcVllmTest.request("abc", true, GrpcVllmTest.tokens(9));
        AbortRequest abort =
                AbortRequest.newBuilder().addRequestIds(request.getRequestId()).build();
        var answer = new GrpcClient.Collector<dev.apus.proto.vllm.GenerateRequest, GenerateResponse>(-1);
        VllmEngineGrpc.newStub(mine).generate(request, answer);
        ManualEngine.Work work = fixture.engine.next();

        VllmEngineGrpc.newBlockingStub(theirs).abort(abort);
        work.emit("x");
        ServerFixture.await("the token", () -> !answer.messages.isEmpty());
        assertThat(fixture.engine.aborted()).isEmpty();

        var twin = new GrpcClient.Collector<dev.apus.proto.vllm.GenerateRequest, GenerateResponse>(-1);
        VllmEngineGrpc.newStub(theirs).generate(request, twin);
        ManualEngine.Work theirWork = fixture.engine.next();
        assertThat(theirWork.request.tenant().name())
                .as("the id is free to them")
                .isEqualTo("rival");
        VllmEngineGrpc.newBlockingStub(theirs).abort(abort);
        assertThat(twin.end()).isEqualTo(Status.Code.OK);
        assertThat(fixture.engine.aborted()).containsExactly(theirWork.request.id());

        VllmEngineGrpc.newBlockingStub(mine).abort(abort);
        assertThat(answer.end()).isEqualTo(Status.Code.OK);
        assertThat(fixture.engine.aborted()).containsExactly(theirWork.request.id(), work.request.id());
    }

    /** Over gRPC as over HTTP. */
    @Test
    void aHeaderDoesNotChooseTheTenantOfAKey() throws Exception {
        Channel channel = ClientInterceptors.intercept(
                fixture.client.with("x-api-key", "user"), MetadataUtils.newAttachHeadersInterceptor(fairness("rival")));
        GrpcClient.Collector<GenerateRequest, GenerationResponse> answer = new GrpcClient.Collector<>(-1);
        InferenceGrpc.newStub(channel)
                .generateStream(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9)), answer);
        ManualEngine.Work work = fixture.engine.next();
        assertThat(work.request.tenant().name()).isEqualTo(Principal.DEFAULT_TENANT);
        fixture.engine.finish(work);
        assertThat(answer.end()).isEqualTo(Status.Code.OK);
    }

    private static Metadata fairness(String tenant) {
        Metadata metadata = new Metadata();
        metadata.put(Metadata.Key.of(Slo.FAIRNESS, Metadata.ASCII_STRING_MARSHALLER), tenant);
        return metadata;
    }

    @Test
    void aPausedServerIsNotServing() {
        String order = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nx-api-key: admin\r\n\r\n";
        give(order.formatted("/pause"));
        try {
            assertThat(health(fixture.client.channel())).isEqualTo(ServingStatus.NOT_SERVING);
            assertThat(generate(fixture.client.with("x-api-key", "user"))).isEqualTo(Status.Code.UNAVAILABLE);
            VllmEngineGrpc.VllmEngineBlockingStub vllm =
                    VllmEngineGrpc.newBlockingStub(fixture.client.with("x-api-key", "monitor"));
            assertThat(vllm.healthCheck(dev.apus.proto.vllm.HealthCheckRequest.getDefaultInstance())
                            .getMessage())
                    .isEqualTo("the server is paused by its administrator");
            assertThat(vllm.getServerInfo(GetServerInfoRequest.getDefaultInstance())
                            .getIsPaused())
                    .isTrue();
        } finally {
            give(order.formatted("/resume"));
        }
        assertThat(health(fixture.client.channel())).isEqualTo(ServingStatus.SERVING);
    }

    private void give(String order) {
        try (RawClient client = new RawClient(fixture.server)) {
            assertThat(client.send(order).readAnswer()).startsWith("HTTP/1.1 200 ");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
