package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.TokenizeRequest;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What calls take of the memory for requests is what they use, and comes back however they end. */
@Timeout(60)
class GrpcMemoryTest {
    private static final String TOKENIZE = "/apus.v1.Inference/Tokenize";
    private static final String CHECK = "/grpc.health.v1.Health/Check";
    private static final String STREAM = "/inference.GRPCInferenceService/ModelStreamInfer";
    private static final String REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

    private static void call(RawHttp2 client, int stream, String path, String... more) throws IOException {
        List<String> fields = new ArrayList<>(List.of("content-type", "application/grpc", "te", "trailers"));
        fields.addAll(List.of(more));
        byte[] head = RawHttp2.head("POST", path, fields.toArray(String[]::new));
        client.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS, stream, head);
    }

    private static byte[] message(boolean compressed, int claimed, byte[] bytes) {
        return ByteBuffer.allocate(5 + bytes.length)
                .put((byte) (compressed ? 1 : 0))
                .putInt(claimed)
                .put(bytes)
                .array();
    }

    private static byte[] message(byte[] bytes) {
        return message(false, bytes.length, bytes);
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
        }
        return out.toByteArray();
    }

    private static String grpcStatus(RawHttp2.Answer answer) {
        return String.valueOf(answer.header("grpc-status"));
    }

    private static String code(Status.Code code) {
        return Integer.toString(code.value());
    }

    @Test
    void manySmallMessagesWithinOneWeighWhatTheyBecome() throws Exception {
        byte[] empties = new byte[400_000];
        for (int i = 0; i < empties.length; i += 2) {
            empties[i] = 0x12;
        }
        try (GrpcFixture fixture = new GrpcFixture(options -> options.maxBufferedBytes(64 << 20));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            call(client, 1, "/apus.v1.Inference/Chat", "grpc-encoding", "gzip");
            byte[] bomb = gzip(empties);
            client.frame(RawHttp2.DATA, RawHttp2.END_STREAM, 1, message(true, bomb.length, bomb));
            RawHttp2.Answer answer = client.await(1);
            assertThat(grpcStatus(answer)).isEqualTo(code(Status.Code.RESOURCE_EXHAUSTED));
            assertThat(answer.header("grpc-message")).contains("bytes of the server's memory");
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }

    @Test
    void aBombWhoseClientGoesGivesAllBack() throws Exception {
        byte[] bomb = gzip(TokenizeRequest.newBuilder()
                .setText("x".repeat(12 << 20))
                .build()
                .toByteArray());
        assertThat(bomb).hasSizeLessThan(16 << 10);
        try (GrpcFixture fixture = new GrpcFixture(options -> options.maxBufferedBytes(4L << 30));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            for (int i = 0; i < 12; i++) {
                int stream = 2 * i + 1;
                call(client, stream, i % 2 == 0 ? TOKENIZE : CHECK, "grpc-encoding", "gzip");
                client.frame(RawHttp2.DATA, RawHttp2.END_STREAM, stream, message(true, bomb.length, bomb));
                // While it is unpacked, at one point or another.
                Thread.sleep(i);
                client.reset(stream);
            }
            fixture.awaitNoMemoryTaken();
        }
    }

    @Test
    void aProbesMessageIsShort() throws Exception {
        byte[] large = HealthCheckRequest.newBuilder()
                .setService("x".repeat(20_000))
                .build()
                .toByteArray();
        try (GrpcFixture fixture = new GrpcFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            call(client, 1, CHECK);
            client.frame(RawHttp2.DATA, 0, 1, message(false, large.length, new byte[0]));
            assertThat(grpcStatus(client.await(1))).isEqualTo(code(Status.Code.RESOURCE_EXHAUSTED));
            call(client, 3, CHECK, "grpc-encoding", "gzip");
            byte[] packed = gzip(large);
            client.frame(RawHttp2.DATA, RawHttp2.END_STREAM, 3, message(true, packed.length, packed));
            assertThat(grpcStatus(client.await(3))).isEqualTo(code(Status.Code.RESOURCE_EXHAUSTED));
            fixture.awaitNoMemoryTaken();
        }
    }

    /** What the worker takes after the call has ended nobody would give back. */
    @Test
    void aTextThatIsEncodedWhenItsDeadlinePassesGivesAllBack() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        AtomicBoolean encoding = new AtomicBoolean();
        HookedTokenizer tokenizer = new HookedTokenizer(text -> {
            encoding.set(true);
            try {
                release.await(20, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        try (GrpcFixture fixture = new GrpcFixture(tokenizer, options -> options)) {
            TokenizeRequest request =
                    TokenizeRequest.newBuilder().setText("x".repeat(50_000)).build();
            Status.Code code = GrpcClient.code(() -> InferenceGrpc.newBlockingStub(fixture.client.channel())
                    .withDeadlineAfter(2, TimeUnit.SECONDS)
                    .tokenize(request));
            assertThat(code).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
            assertThat(encoding).isTrue();
            assertThat(fixture.server.memoryTaken())
                    .as("held while it is worked on")
                    .isGreaterThan(50_000);
            release.countDown();
            fixture.awaitNoMemoryTaken();
        } finally {
            release.countDown();
        }
    }

    @Test
    void aMessageTakesMemoryAsItComes() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            call(client, 1, TOKENIZE);
            ServerFixture.await(
                    "the stream and the head", () -> fixture.server.memoryTaken() > ConnectionMemory.PER_STREAM);
            long head = fixture.server.memoryTaken();
            client.frame(RawHttp2.DATA, 0, 1, message(false, 12 << 20, new byte[0]));
            ServerFixture.await("the message's head", () -> fixture.server.memoryTaken() > head);
            assertThat(fixture.server.memoryTaken()).isLessThan(head + 1000);
            client.frame(RawHttp2.DATA, 0, 1, new byte[10_000]);
            ServerFixture.await("a part", () -> fixture.server.memoryTaken() > head + 100_000);
            assertThat(fixture.server.memoryTaken()).isLessThan(head + 200_000);
            client.reset(1);
            fixture.awaitNoMemoryTaken();
        }
    }

    @Test
    void headsTakeMemoryUntilTheCallEnds() throws Exception {
        try (GrpcFixture fixture =
                        new GrpcFixture(options -> options.maxBodyBytes(10_000).maxBufferedBytes(1_000_000));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            String field = "y".repeat(8000);
            int refused = 0;
            for (int stream = 1; refused == 0 && stream < 101; stream += 2) {
                call(client, stream, TOKENIZE, "x-field", field);
                client.frame(RawHttp2.PING, 0, 0, new byte[8]);
                client.awaitFrame(RawHttp2.PING);
                refused = grpcStatus(client.answer(stream)).equals(code(Status.Code.UNAVAILABLE)) ? stream : 0;
            }
            assertThat(refused).as("the stream that is one too many").isBetween(21, 75);
            for (int stream = 1; stream < refused; stream += 2) {
                client.reset(stream);
            }
            fixture.awaitNoMemoryTaken();
        }
    }

    @Test
    void aConnectionHasFewWatches() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture()) {
            HealthGrpc.HealthStub stub = HealthGrpc.newStub(fixture.client.channel());
            List<GrpcClient.Collector<HealthCheckRequest, HealthCheckResponse>> watches = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                watches.add(watch(stub, i % 2 == 0 ? "" : "unknown"));
            }
            // Calls are begun by any threads: which of many would be the last is not known before.
            for (var watch : watches) {
                ServerFixture.await("the state", () -> watch.messages.size() == 1);
            }
            assertThat(watch(stub, "").end()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
            try (GrpcClient other = fixture.connect()) {
                var another = watch(HealthGrpc.newStub(other.channel()), "");
                ServerFixture.await("the state", () -> another.messages.size() == 1);
            }
            watches.getFirst().call().cancel("enough", null);
            boolean taken = false;
            for (int i = 0; i < 100 && !taken; i++) {
                var next = watch(stub, "");
                ServerFixture.await("an answer", () -> !next.messages.isEmpty() || next.hasEnded());
                taken = !next.messages.isEmpty();
            }
            assertThat(taken).as("the place is free again").isTrue();
            fixture.client.close();
            fixture.awaitNoMemoryTaken();
        }
    }

    private static GrpcClient.Collector<HealthCheckRequest, HealthCheckResponse> watch(
            HealthGrpc.HealthStub stub, String service) {
        GrpcClient.Collector<HealthCheckRequest, HealthCheckResponse> collector = new GrpcClient.Collector<>(-1);
        stub.watch(HealthCheckRequest.newBuilder().setService(service).build(), collector);
        return collector;
    }

    @Test
    void aMessageOfAStreamThatHasBegunMustEnd() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture(options -> options.readTimeout(Duration.ofMillis(500)));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            call(client, 1, STREAM);
            call(client, 3, STREAM);
            // A stream may wait for what its client will ask; a message may not.
            client.frame(RawHttp2.DATA, 0, 3, message(false, 1 << 20, new byte[100]));
            assertThat(grpcStatus(client.await(3))).isEqualTo(code(Status.Code.CANCELLED));
            assertThat(client.answer(1).ended).isFalse();
            client.reset(1);
            fixture.awaitNoMemoryTaken();
        }
    }

    /** Each of the messages takes less than the time, all of them more: the time is a message's. */
    @Test
    void messagesThatFollowEachOtherHaveEachItsTime() throws Exception {
        byte[] ask = message(ServerReflectionRequest.newBuilder()
                .setListServices("*")
                .build()
                .toByteArray());
        try (GrpcFixture fixture = new GrpcFixture(options -> options.readTimeout(Duration.ofSeconds(3)));
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            call(client, 1, REFLECTION);
            // The last byte of a message comes with the first ones of the next.
            byte[] turned = new byte[ask.length];
            System.arraycopy(ask, ask.length - 1, turned, 0, 1);
            System.arraycopy(ask, 0, turned, 1, ask.length - 1);
            client.frame(RawHttp2.DATA, 0, 1, java.util.Arrays.copyOf(ask, ask.length - 1));
            for (int i = 0; i < 5; i++) {
                Thread.sleep(800);
                client.frame(RawHttp2.DATA, 0, 1, turned);
            }
            client.frame(RawHttp2.DATA, RawHttp2.END_STREAM, 1, new byte[] {ask[ask.length - 1]});
            assertThat(grpcStatus(client.await(1))).isEqualTo(code(Status.Code.OK));
        }
    }

    /** Who asks and does not read is not answered for ever. */
    @Test
    void reflectionWaitsForThoseWhoDoNotRead() throws Exception {
        byte[] ask = message(ServerReflectionRequest.newBuilder()
                .setFileContainingSymbol("vllm.grpc.engine.VllmEngine")
                .build()
                .toByteArray());
        try (GrpcFixture fixture = new GrpcFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server, 100)) {
            call(client, 1, REFLECTION);
            for (int i = 0; i < 1000; i++) {
                client.frame(RawHttp2.DATA, 0, 1, ask);
            }
            client.frame(RawHttp2.PING, 0, 0, new byte[8]);
            client.awaitFrame(RawHttp2.PING);
            Thread.sleep(300);
            // An answer has some 15 KB, a thousand 15 MB.
            assertThat(fixture.server.memoryTaken()).isBetween(1000L, 2_000_000L);
            client.reset(1);
            fixture.awaitNoMemoryTaken();
        }
    }

    /** The memory for the next request of a stream is not given back with that for the one before. */
    @Test
    void theNextMessageOfAStreamKeepsItsMemory() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture();
                RawHttp2 client = RawHttp2.connect(fixture.server)) {
            byte[] first = message(GrpcProtocolsTest.text("1", "hello", 5).toByteArray());
            byte[] second =
                    message(GrpcProtocolsTest.text("2", "y".repeat(10_000), 5).toByteArray());
            call(client, 1, STREAM);
            ByteArrayOutputStream both = new ByteArrayOutputStream();
            both.writeBytes(first);
            both.writeBytes(second);
            client.frame(RawHttp2.DATA, 0, 1, both.toByteArray());
            ManualEngine.Work work = fixture.engine.next();
            ServerFixture.await("the second has come", () -> fixture.server.memoryTaken() > 16 * 10_000);
            Thread.sleep(100);
            assertThat(fixture.server.memoryTaken()).as("and is kept").isGreaterThan(16 * 10_000);
            work.emit("a");
            fixture.engine.finish(work);
            assertThat(fixture.engine.next().request.prompt()).hasSize(10_000);
            ServerFixture.await("the second was read", () -> fixture.server.memoryTaken() < 10_000);
            client.reset(1);
            fixture.awaitNoMemoryTaken();
        }
    }
}
