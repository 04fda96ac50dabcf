package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.rpc.ErrorInfo;
import dev.apus.proto.kserve.GRPCInferenceServiceGrpc;
import dev.apus.proto.kserve.ServerReadyRequest;
import dev.apus.proto.v1.GetLoadsRequest;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.InferenceGrpc.InferenceBlockingStub;
import dev.apus.proto.v1.ListModelsRequest;
import dev.apus.proto.v1.TokenizeRequest;
import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keys, tenants and deadlines of gRPC calls come from the same headers as over HTTP. */
@Timeout(60)
class GrpcAuthTest {
    private static final String KEY = "sk-inference-1";
    private static final String MONITOR = "sk-monitor-1";

    private final GrpcFixture fixture = new GrpcFixture(options -> options.security(new SecurityOptions(List.of(
            ApiKey.ofSecret(KEY, Principal.of("inference", Role.INFERENCE)),
            ApiKey.ofSecret(MONITOR, Principal.of("monitor", Role.MONITOR))))));

    @AfterEach
    void close() {
        fixture.close();
    }

    private InferenceBlockingStub stub(Channel channel) {
        return InferenceGrpc.newBlockingStub(channel);
    }

    private InferenceBlockingStub withKey(String key) {
        return stub(fixture.client.with("authorization", "Bearer " + key));
    }

    private static TokenizeRequest text() {
        return TokenizeRequest.newBuilder().setText("hi").build();
    }

    @Test
    void aCallNeedsAKeyOfTheRole() throws Exception {
        StatusRuntimeException none =
                GrpcClient.error(() -> stub(fixture.client.channel()).tokenize(text()));
        assertThat(none.getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(GrpcClient.detail(none, ErrorInfo.class).getReason()).isEqualTo("MISSING_API_KEY");
        assertThat(GrpcClient.code(() -> withKey("sk-wrong").tokenize(text()))).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(GrpcClient.code(() -> withKey(MONITOR).tokenize(text()))).isEqualTo(Status.Code.PERMISSION_DENIED);
        assertThat(GrpcClient.code(
                        () -> withKey(MONITOR).generate(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(1)))))
                .isEqualTo(Status.Code.PERMISSION_DENIED);
        assertThat(withKey(KEY).tokenize(text()).getTokenIdsCount()).isEqualTo(2);
        assertThat(stub(fixture.client.with("x-api-key", KEY)).tokenize(text()).getTokenIdsCount())
                .isEqualTo(2);
    }

    @Test
    void whatTellsOfTheServerNeedsAnyKey() {
        assertThat(GrpcClient.code(
                        () -> stub(fixture.client.channel()).listModels(ListModelsRequest.getDefaultInstance())))
                .isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(withKey(MONITOR)
                        .listModels(ListModelsRequest.getDefaultInstance())
                        .getModelsCount())
                .isOne();
        assertThat(withKey(MONITOR)
                        .getLoads(GetLoadsRequest.getDefaultInstance())
                        .getTotalBlocks())
                .isEqualTo(100);
    }

    @Test
    void probesNeedNone() {
        HealthGrpc.newBlockingStub(fixture.client.channel()).check(HealthCheckRequest.getDefaultInstance());
        assertThat(GRPCInferenceServiceGrpc.newBlockingStub(fixture.client.channel())
                        .serverReady(ServerReadyRequest.getDefaultInstance())
                        .getReady())
                .isTrue();
    }

    @Test
    void deadlinesReachTheEngine() throws Exception {
        withKey(KEY)
                .withDeadlineAfter(java.time.Duration.ofSeconds(40))
                .generateStream(GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9)));
        assertThat(fixture.engine.next().request.deadlineNanos()).isBetween(30_000_000_000L, 40_000_000_000L);
    }
}
