package dev.apus.server.grpc;

import dev.apus.proto.kserve.GRPCInferenceServiceGrpc;
import dev.apus.proto.kserve.ModelInferRequest;
import dev.apus.proto.kserve.ModelInferResponse;
import dev.apus.proto.kserve.ModelMetadataRequest;
import dev.apus.proto.kserve.ModelMetadataResponse;
import dev.apus.proto.kserve.ModelMetadataResponse.TensorMetadata;
import dev.apus.proto.kserve.ModelReadyRequest;
import dev.apus.proto.kserve.ModelReadyResponse;
import dev.apus.proto.kserve.ModelStreamInferResponse;
import dev.apus.proto.kserve.ServerLiveRequest;
import dev.apus.proto.kserve.ServerLiveResponse;
import dev.apus.proto.kserve.ServerMetadataRequest;
import dev.apus.proto.kserve.ServerMetadataResponse;
import dev.apus.proto.kserve.ServerReadyRequest;
import dev.apus.proto.kserve.ServerReadyResponse;
import dev.apus.server.http.ApiException;
import dev.apus.server.http.FrontEnd;
import io.grpc.stub.StreamObserver;

/** {@code inference.GRPCInferenceService}, KServe's open inference protocol: a text as a tensor in, a text as a tensor out. Thread-safe. */
final class KserveService extends GRPCInferenceServiceGrpc.GRPCInferenceServiceImplBase {
    private final FrontEnd front;

    KserveService(FrontEnd front) {
        this.front = front;
    }

    @Override
    public void serverLive(ServerLiveRequest request, StreamObserver<ServerLiveResponse> answer) {
        answer.onNext(ServerLiveResponse.newBuilder()
                .setLive(front.model().engine().stats().alive())
                .build());
        answer.onCompleted();
    }

    @Override
    public void serverReady(ServerReadyRequest request, StreamObserver<ServerReadyResponse> answer) {
        answer.onNext(ServerReadyResponse.newBuilder().setReady(front.isReady()).build());
        answer.onCompleted();
    }

    @Override
    public void modelReady(ModelReadyRequest request, StreamObserver<ModelReadyResponse> answer) {
        answer.onNext(ModelReadyResponse.newBuilder()
                .setReady(front.isReady() && front.model().name().equals(request.getName()))
                .build());
        answer.onCompleted();
    }

    @Override
    public void serverMetadata(ServerMetadataRequest request, StreamObserver<ServerMetadataResponse> answer) {
        answer.onNext(ServerMetadataResponse.newBuilder()
                .setName("apus")
                .setVersion(FrontEnd.version())
                .addExtensions("model_stream_infer")
                .build());
        answer.onCompleted();
    }

    @Override
    public void modelMetadata(ModelMetadataRequest request, StreamObserver<ModelMetadataResponse> answer) {
        GrpcServices.answering(answer, session -> {
            session.checkModel(request.getName());
            answer.onNext(ModelMetadataResponse.newBuilder()
                    .setName(front.model().name())
                    .addVersions("1")
                    .setPlatform("apus")
                    .addInputs(tensor(KserveTensors.TEXT_INPUT, 1))
                    .addOutputs(tensor(KserveTensors.TEXT_OUTPUT, -1))
                    .addOutputs(tensor(KserveTensors.FINISH_REASON, -1))
                    .build());
            answer.onCompleted();
        });
    }

    private static TensorMetadata tensor(String name, long size) {
        return TensorMetadata.newBuilder()
                .setName(name)
                .setDatatype("BYTES")
                .addShape(size)
                .build();
    }

    @Override
    public void modelInfer(ModelInferRequest request, StreamObserver<ModelInferResponse> answer) {
        GrpcServices.answering(answer, session -> {
            checkVersion(request.getModelVersion());
            KserveShape shape = new KserveShape(request, front.model().name());
            session.completion(KserveTensors.parameters(request, false), new Answer<>(shape, answer));
        });
    }

    @Override
    public StreamObserver<ModelInferRequest> modelStreamInfer(StreamObserver<ModelStreamInferResponse> answer) {
        return new KserveStream(front, answer);
    }

    /** @throws ApiException if it is not the one version that there is */
    static void checkVersion(String version) {
        if (!version.isEmpty() && !version.equals("1")) {
            throw new ApiException(
                    404, "the model has the version 1 only", "model_version", "model_version_not_found", 0);
        }
    }
}
