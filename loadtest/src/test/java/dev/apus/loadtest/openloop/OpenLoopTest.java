package dev.apus.loadtest.openloop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.loadtest.FakeServer;
import dev.apus.loadtest.FakeServer.Fault;
import dev.apus.loadtest.Load;
import dev.apus.loadtest.Target;
import dev.apus.loadtest.measure.Limit.Latency;
import dev.apus.loadtest.measure.Series;
import dev.apus.proto.v1.ChatRequest;
import dev.apus.proto.v1.Choice;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.Usage;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class OpenLoopTest {
    private static final long PAUSE_MILLIS = 10;

    private static Load load(double rate, int timeoutSeconds) {
        return new Load(1, 1, 1, rate, 1, 8, 8, 16, timeoutSeconds);
    }

    private static Series.Snapshot run(Target target, Protocol protocol, double rate, int timeoutSeconds)
            throws InterruptedException {
        Series series = new Series();
        new OpenLoop(target, load(rate, timeoutSeconds)).run(protocol, 7, series);
        return series.snapshot();
    }

    /** Streams of chat as {@link FakeServer}'s; every fourth goes wrong as told. */
    private static Server grpcServer(Status every4th) throws Exception {
        AtomicInteger calls = new AtomicInteger();
        return NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .addService(new InferenceGrpc.InferenceImplBase() {
                    @Override
                    public void chatStream(ChatRequest request, StreamObserver<GenerationResponse> out) {
                        if (calls.incrementAndGet() % 4 == 0 && !every4th.isOk()) {
                            out.onError(every4th.asException());
                            return;
                        }
                        for (int i = 0; i < FakeServer.TOKENS; i++) {
                            try {
                                Thread.sleep(PAUSE_MILLIS);
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                            out.onNext(GenerationResponse.newBuilder()
                                    .addChoices(Choice.newBuilder().setText("word "))
                                    .build());
                        }
                        out.onNext(GenerationResponse.newBuilder()
                                .setUsage(Usage.newBuilder().setPromptTokens(7).setCompletionTokens(FakeServer.TOKENS))
                                .build());
                        out.onCompleted();
                    }
                })
                .build()
                .start();
    }

    private static Target target(Server server) {
        return new Target(URI.create("http://127.0.0.1:" + server.getPort()), "fake", List.of(), Target.CHAT, false);
    }

    private static void wholeAnswers(Series.Snapshot seen) {
        assertThat(seen.failed()).isEmpty();
        assertThat(seen.completed()).isPositive();
        assertThat(seen.outputTokens()).isEqualTo(seen.completed() * FakeServer.TOKENS);
        assertThat(seen.promptTokens()).isEqualTo(seen.completed() * 7);
        assertThat(seen.gaps().getTotalCount()).isEqualTo(seen.completed() * (FakeServer.TOKENS - 1));
        assertThat(seen.millis(Latency.TTFT, 0)).isGreaterThanOrEqualTo(PAUSE_MILLIS - 1);
        assertThat(seen.millis(Latency.E2E, 0)).isGreaterThanOrEqualTo(FakeServer.TOKENS * (PAUSE_MILLIS - 1));
    }

    @Test
    void bothProtocolsGetTheSameArrivals() throws Exception {
        Server server = grpcServer(Status.OK);
        try (FakeServer sse = new FakeServer(PAUSE_MILLIS, Fault.NONE, 1)) {
            Series.Snapshot first = run(sse.target(), Protocol.SSE, 30, 20);
            Series.Snapshot second = run(target(server), Protocol.GRPC, 30, 20);
            wholeAnswers(first);
            wholeAnswers(second);
            assertThat(first.completed()).isEqualTo(second.completed());
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void whoIsBusyIsToldApartFromWhoFails() throws Exception {
        try (FakeServer busy = new FakeServer(1, Fault.BUSY, 3);
                FakeServer broken = new FakeServer(1, Fault.CUT_SHORT, 3)) {
            assertThat(run(busy.target(), Protocol.SSE, 40, 20).refused()).containsOnlyKeys("429");
            assertThat(run(broken.target(), Protocol.SSE, 40, 20).failures()).isEqualTo(broken.requests() / 3);
        }
        Server exhausted = grpcServer(Status.RESOURCE_EXHAUSTED);
        Server faulty = grpcServer(Status.INTERNAL.withDescription("it broke"));
        try {
            assertThat(run(target(exhausted), Protocol.GRPC, 40, 20).refused()).containsOnlyKeys("RESOURCE_EXHAUSTED");
            assertThat(run(target(faulty), Protocol.GRPC, 40, 20).failed().keySet())
                    .allMatch(reason -> reason.contains("INTERNAL: it broke"))
                    .isNotEmpty();
        } finally {
            exhausted.shutdownNow();
            faulty.shutdownNow();
        }
    }

    @Test
    void aDeadlineEndsAStream() throws Exception {
        try (FakeServer slow = new FakeServer(600, Fault.NONE, 1)) {
            Series.Snapshot seen = run(slow.target(), Protocol.SSE, 5, 1);
            assertThat(seen.completed()).isZero();
            assertThat(seen.failures()).isPositive();
        }
    }

    @Test
    void anOpenLoopNeedsARate() {
        Target target = new Target(URI.create("http://127.0.0.1:1"), "m", List.of(), Target.CHAT, false);
        assertThatThrownBy(() -> new OpenLoop(target, load(0, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("--rate is 0.0, must be above 0");
    }
}
