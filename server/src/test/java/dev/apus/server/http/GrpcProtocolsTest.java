package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import dev.apus.proto.kserve.GRPCInferenceServiceGrpc;
import dev.apus.proto.kserve.InferParameter;
import dev.apus.proto.kserve.InferTensorContents;
import dev.apus.proto.kserve.ModelInferRequest;
import dev.apus.proto.kserve.ModelInferRequest.InferInputTensor;
import dev.apus.proto.kserve.ModelInferResponse;
import dev.apus.proto.kserve.ModelMetadataRequest;
import dev.apus.proto.kserve.ModelReadyRequest;
import dev.apus.proto.kserve.ModelStreamInferResponse;
import dev.apus.proto.kserve.ServerLiveRequest;
import dev.apus.proto.kserve.ServerMetadataRequest;
import dev.apus.proto.kserve.ServerReadyRequest;
import dev.apus.server.http.GrpcClient.Collector;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** KServe's protocol, health checks and reflection. */
@Timeout(60)
class GrpcProtocolsTest {
    private final ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));
    private final GrpcClient client = new GrpcClient(server.port());
    private final GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub kserve =
            GRPCInferenceServiceGrpc.newBlockingStub(client.channel());

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    private static ModelInferRequest.Builder infer(String id, long maxTokens) {
        return ModelInferRequest.newBuilder()
                .setModelName("stub")
                .setId(id)
                .putParameters(
                        "max_tokens",
                        InferParameter.newBuilder().setInt64Param(maxTokens).build());
    }

    private static InferInputTensor.Builder input() {
        return InferInputTensor.newBuilder()
                .setName("text_input")
                .setDatatype("BYTES")
                .addShape(1);
    }

    static ModelInferRequest text(String id, String text, long maxTokens) {
        InferTensorContents contents = InferTensorContents.newBuilder()
                .addBytesContents(ByteString.copyFromUtf8(text))
                .build();
        return infer(id, maxTokens).addInputs(input().setContents(contents)).build();
    }

    @Test
    void aTensorOfTextIsAnsweredByOne() {
        ModelInferResponse answer = kserve.modelInfer(text("7", "abc", 4));

        assertThat(answer.getId()).isEqualTo("7");
        assertThat(answer.getModelName()).isEqualTo("stub");
        assertThat(answer.getOutputs(0).getName()).isEqualTo("text_output");
        assertThat(answer.getOutputs(0).getContents().getBytesContents(0).toStringUtf8())
                .isEqualTo("abca");
        assertThat(answer.getOutputs(1).getContents().getBytesContents(0).toStringUtf8())
                .isEqualTo("length");
        assertThat(answer.getParametersOrThrow("completion_tokens").getInt64Param())
                .isEqualTo(4);
    }

    @Test
    void rawTensorsAreAnsweredRaw() {
        ByteString raw = ByteString.copyFrom(new byte[] {3, 0, 0, 0, 'a', 'b', 'c'});
        ModelInferResponse answer = kserve.modelInfer(
                infer("8", 2).addInputs(input()).addRawInputContents(raw).build());

        assertThat(answer.getRawOutputContents(0).toByteArray()).containsExactly(2, 0, 0, 0, 'a', 'b');
    }

    @Test
    void wrongTensorsAreRefusedByName() {
        ModelInferRequest good = text("9", "abc", 4);
        List<ModelInferRequest> wrong = List.of(
                good.toBuilder().clearInputs().build(),
                good.toBuilder()
                        .setInputs(0, good.getInputs(0).toBuilder().setName("x"))
                        .build(),
                good.toBuilder()
                        .setInputs(0, good.getInputs(0).toBuilder().setDatatype("FP32"))
                        .build(),
                good.toBuilder()
                        .setInputs(0, good.getInputs(0).toBuilder().setShape(0, 2))
                        .build(),
                good.toBuilder().setInputs(0, input()).build(),
                infer("9", 2)
                        .addInputs(input())
                        .addRawInputContents(ByteString.copyFrom(new byte[] {9, 0, 0, 0, 1}))
                        .build(),
                infer("9", 2)
                        .addInputs(input())
                        .addRawInputContents(ByteString.copyFrom(new byte[] {1}))
                        .build(),
                infer("9", 0).addInputs(good.getInputs(0)).build(),
                good.toBuilder()
                        .addOutputs(ModelInferRequest.InferRequestedOutputTensor.newBuilder()
                                .setName("y"))
                        .build());
        for (ModelInferRequest request : wrong) {
            assertThat(GrpcClient.code(() -> kserve.modelInfer(request)))
                    .as(request.toString())
                    .isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
        assertThat(GrpcClient.code(() ->
                        kserve.modelInfer(good.toBuilder().setModelVersion("2").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void aStreamAnswersItsRequestsInTurn() throws Exception {
        Collector<ModelInferRequest, ModelStreamInferResponse> collector = new Collector<>(-1);
        StreamObserver<ModelInferRequest> requests =
                GRPCInferenceServiceGrpc.newStub(client.channel()).modelStreamInfer(collector);
        requests.onNext(text("1", "abc", 5));
        requests.onNext(text("2", "", 5));
        requests.onNext(text("3", "xyz", 4));
        requests.onCompleted();

        assertThat(collector.end()).isEqualTo(Status.Code.OK);
        Map<String, StringBuilder> seen = new LinkedHashMap<>();
        for (ModelStreamInferResponse message : collector.messages) {
            ModelInferResponse answer = message.getInferResponse();
            StringBuilder to = seen.computeIfAbsent(answer.getId(), id -> new StringBuilder());
            to.append(message.getErrorMessage().isEmpty() ? "" : "error");
            to.append(
                    answer.getOutputsCount() == 0
                            ? ""
                            : answer.getOutputs(0)
                                    .getContents()
                                    .getBytesContents(0)
                                    .toStringUtf8());
            to.append(answer.containsParameters("triton_final_response") ? ", final" : "");
        }
        assertThat(seen.keySet()).containsExactly("1", "2", "3");
        assertThat(seen.values())
                .extracting(StringBuilder::toString)
                .containsExactly("abcab, final", "error", "xyzx, final");
    }

    @Test
    void serverAndModelAreDescribed() {
        assertThat(kserve.serverLive(ServerLiveRequest.getDefaultInstance()).getLive())
                .isTrue();
        assertThat(kserve.serverReady(ServerReadyRequest.getDefaultInstance()).getReady())
                .isTrue();
        assertThat(kserve.modelReady(
                                ModelReadyRequest.newBuilder().setName("stub").build())
                        .getReady())
                .isTrue();
        assertThat(kserve.modelReady(ModelReadyRequest.newBuilder().setName("x").build())
                        .getReady())
                .isFalse();
        assertThat(kserve.serverMetadata(ServerMetadataRequest.getDefaultInstance())
                        .getName())
                .isEqualTo("apus");
        assertThat(kserve.modelMetadata(ModelMetadataRequest.newBuilder()
                                .setName("stub")
                                .build())
                        .getInputs(0)
                        .getName())
                .isEqualTo("text_input");
        assertThat(GrpcClient.code(() -> kserve.modelMetadata(
                        ModelMetadataRequest.newBuilder().setName("x").build())))
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void healthIsToldOfTheServerAndItsServices() {
        HealthGrpc.HealthBlockingStub health = HealthGrpc.newBlockingStub(client.channel());
        for (String service : List.of("", "apus.v1.Inference", "vllm.grpc.engine.VllmEngine")) {
            assertThat(health.check(HealthCheckRequest.newBuilder()
                                    .setService(service)
                                    .build())
                            .getStatus())
                    .isEqualTo(ServingStatus.SERVING);
        }
        HealthCheckRequest unknown =
                HealthCheckRequest.newBuilder().setService("x").build();
        assertThat(GrpcClient.code(() -> health.check(unknown))).isEqualTo(Status.Code.NOT_FOUND);
        assertThat(health.watch(unknown).next().getStatus()).isEqualTo(ServingStatus.SERVICE_UNKNOWN);
    }

    @Test
    void reflectionTellsServicesAndFiles() throws Exception {
        MethodDescriptor<ServerReflectionRequest, ServerReflectionResponse> v1 =
                ServerReflectionGrpc.getServerReflectionInfoMethod();
        for (String name : List.of("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")) {
            Collector<ServerReflectionRequest, ServerReflectionResponse> collector = new Collector<>(-1);
            StreamObserver<ServerReflectionRequest> ask = ClientCalls.asyncBidiStreamingCall(
                    client.channel()
                            .newCall(
                                    v1.toBuilder()
                                            .setFullMethodName(name + "/ServerReflectionInfo")
                                            .build(),
                                    io.grpc.CallOptions.DEFAULT),
                    collector);
            ask.onNext(ServerReflectionRequest.newBuilder().setListServices("*").build());
            ask.onNext(ServerReflectionRequest.newBuilder()
                    .setFileContainingSymbol("vllm.grpc.engine.VllmEngine.GetTokenizer")
                    .build());
            ask.onNext(ServerReflectionRequest.newBuilder()
                    .setFileByFilename("apus/v1/apus.proto")
                    .build());
            ask.onNext(ServerReflectionRequest.newBuilder()
                    .setFileContainingSymbol("no.such.Thing")
                    .build());
            ask.onCompleted();

            assertThat(collector.end()).isEqualTo(Status.Code.OK);
            assertThat(collector.messages.get(0).getListServicesResponse().getServiceList())
                    .extracting(service -> service.getName())
                    .contains("apus.v1.Inference", "inference.GRPCInferenceService", "grpc.health.v1.Health", name);
            assertThat(files(collector.messages.get(1))).containsExactlyInAnyOrder("vllm_engine.proto", "common.proto");
            assertThat(files(collector.messages.get(2))).contains("apus/v1/apus.proto", "google/protobuf/struct.proto");
            assertThat(collector.messages.get(3).getErrorResponse().getErrorCode())
                    .isEqualTo(Status.Code.NOT_FOUND.value());
        }
    }

    private static List<String> files(ServerReflectionResponse response) throws Exception {
        List<String> names = new java.util.ArrayList<>();
        for (ByteString file : response.getFileDescriptorResponse().getFileDescriptorProtoList()) {
            names.add(FileDescriptorProto.parseFrom(file).getName());
        }
        return names;
    }
}
