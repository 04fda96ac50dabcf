package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.ListModelsRequest;
import dev.apus.server.http.GrpcClient.Collector;
import io.grpc.ClientInterceptor;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.MetadataUtils;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A call from its beginning to its end: what reaches the engine, and what a slow or gone client costs. */
@Timeout(60)
class GrpcLifeTest {
    private static final int MOST_PENDING = 50_000;

    private static GenerateRequest endless() {
        return GrpcInferenceTest.text("hi", GrpcInferenceTest.tokens(9000));
    }

    private static Collector<GenerateRequest, GenerationResponse> start(GrpcClient client, int first) {
        Collector<GenerateRequest, GenerationResponse> collector = new Collector<>(first);
        InferenceGrpc.newStub(client.channel()).generateStream(endless(), collector);
        return collector;
    }

    @Test
    void aClientThatCancelsAbortsItsRequestInTheEngine() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture()) {
            Collector<GenerateRequest, GenerationResponse> stream = start(fixture.client, -1);
            ManualEngine.Work work = fixture.engine.next();
            work.emit("a");
            ServerFixture.await("the first token", () -> !stream.messages.isEmpty());
            stream.call().cancel("enough", null);

            ServerFixture.await("the abort", () -> fixture.engine.aborted().contains(work.request.id()));
        }
    }

    @Test
    void aDeadlineAbortsTheRequestInTheEngine() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture()) {
            Status.Code code = GrpcClient.code(() -> InferenceGrpc.newBlockingStub(fixture.client.channel())
                    .withDeadlineAfter(300, TimeUnit.MILLISECONDS)
                    .generate(endless()));

            assertThat(code).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
            ManualEngine.Work work = fixture.engine.next();
            ServerFixture.await("the abort", () -> fixture.engine.aborted().contains(work.request.id()));
        }
    }

    @Test
    void aConnectionThatBreaksAbortsAllOfItsRequests() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture()) {
            start(fixture.client, -1);
            start(fixture.client, -1);
            fixture.engine.next();
            fixture.engine.next();
            fixture.client.close();

            ServerFixture.await("the aborts", () -> fixture.engine.aborted().size() == 2);
        }
    }

    /** Tokens of a client that does not read are held and joined, and another stream of its connection flows. */
    @Test
    void aSlowReadersTokensAreJoined() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture(options -> options.maxPendingBytes(64 << 20))) {
            Collector<GenerateRequest, GenerationResponse> slow = start(fixture.client, 0);
            ManualEngine.Work work = fixture.engine.next();
            String text = "0123456789";
            int events = 20_000;
            for (int i = 0; i < events; i++) {
                work.emit(text);
            }
            Collector<GenerateRequest, GenerationResponse> other = start(fixture.client, -1);
            ManualEngine.Work quick = fixture.engine.next();
            quick.emit("quick");
            fixture.engine.finish(quick);
            assertThat(other.end()).isEqualTo(Status.Code.OK);
            fixture.engine.finish(work);
            slow.call().request(Integer.MAX_VALUE);

            assertThat(slow.end()).isEqualTo(Status.Code.OK);
            StringBuilder joined = new StringBuilder();
            slow.messages.forEach(message -> message.getChoicesList().forEach(c -> joined.append(c.getText())));
            assertThat(joined).hasToString(text.repeat(events));
            assertThat(slow.messages).hasSizeLessThan(events);
        }
    }

    @Test
    void aClientThatIsTooFarBehindIsCutOff() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture(options -> options.maxPendingBytes(MOST_PENDING))) {
            Collector<GenerateRequest, GenerationResponse> slow = start(fixture.client, 0);
            ManualEngine.Work work = fixture.engine.next();
            ServerFixture.await("the abort", () -> {
                work.emit("x".repeat(10_000));
                return fixture.engine.aborted().contains(work.request.id());
            });
            slow.call().request(Integer.MAX_VALUE);
            assertThat(slow.end()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        }
    }

    @Test
    void aServerThatStopsFinishesWhatRunsAndTakesNoMore() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture();
                GrpcClient late = fixture.connect()) {
            Iterator<HealthCheckResponse> health =
                    HealthGrpc.newBlockingStub(late.channel()).watch(HealthCheckRequest.getDefaultInstance());
            assertThat(health.next().getStatus()).isEqualTo(ServingStatus.SERVING);
            Collector<GenerateRequest, GenerationResponse> stream = start(fixture.client, -1);
            ManualEngine.Work work = fixture.engine.next();
            fixture.server.beginShutdown();

            assertThat(health.next().getStatus()).isEqualTo(ServingStatus.NOT_SERVING);
            assertThat(fixture.server.drained()).isNotDone();
            work.emit("last");
            fixture.engine.finish(work);
            assertThat(stream.end()).isEqualTo(Status.Code.OK);
            ServerFixture.await("the drain", () -> fixture.server.drained().isDone());
            assertThat(GrpcClient.code(
                            () -> InferenceGrpc.newBlockingStub(late.channel()).generate(endless())))
                    .isEqualTo(Status.Code.UNAVAILABLE);
        }
    }

    @Test
    void theRequestsIdComesBack() {
        try (GrpcFixture fixture = new GrpcFixture()) {
            AtomicReference<Metadata> head = new AtomicReference<>();
            ClientInterceptor capture = MetadataUtils.newCaptureMetadataInterceptor(head, new AtomicReference<>());
            InferenceGrpc.newBlockingStub(fixture.client.with("x-request-id", "mine-1"))
                    .withInterceptors(capture)
                    .listModels(ListModelsRequest.getDefaultInstance());

            assertThat(head.get().get(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER)))
                    .isEqualTo("mine-1");
        }
    }
}
