package dev.apus.server.grpc;

import dev.apus.proto.kserve.ModelInferRequest;
import dev.apus.proto.kserve.ModelInferResponse;
import dev.apus.proto.kserve.ModelStreamInferResponse;
import dev.apus.server.http.ApiException;
import dev.apus.server.http.CallOutput;
import dev.apus.server.http.CallSession;
import dev.apus.server.http.FrontEnd;
import dev.apus.server.http.Part;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A stream of KServe's requests, each answered by a stream of parts before the next is read. What is wrong with one is told in its answer
 * and ends only that. Its state is confined to the call's event loop.
 */
final class KserveStream implements StreamObserver<ModelInferRequest> {
    private final FrontEnd front;
    private final ServerCallStreamObserver<ModelStreamInferResponse> answer;
    private final GrpcTransport transport = GrpcServices.transport();
    private final CallSession session = GrpcServices.session();
    private boolean busy;
    private boolean inputEnded;

    KserveStream(FrontEnd front, StreamObserver<ModelStreamInferResponse> answer) {
        this.front = front;
        this.answer = (ServerCallStreamObserver<ModelStreamInferResponse>) answer;
        this.answer.setOnCancelHandler(() -> {});
        this.answer.disableAutoRequest();
        this.answer.request(1);
    }

    @Override
    public void onNext(ModelInferRequest request) {
        transport.loop().execute(() -> busy = true);
        try {
            KserveService.checkVersion(request.getModelVersion());
            KserveShape shape = new KserveShape(request, front.model().name());
            session.completion(KserveTensors.parameters(request, true), new One(shape, request.getId()));
        } catch (ApiException e) {
            transport.admission().giveBack();
            transport.loop().execute(() -> {
                fail(request.getId(), e);
                next();
            });
        }
    }

    private void fail(String id, ApiException error) {
        answer.onNext(ModelStreamInferResponse.newBuilder()
                .setErrorMessage(String.valueOf(error.getMessage()))
                .setInferResponse(ModelInferResponse.newBuilder().setId(id))
                .build());
    }

    /** A request has been answered: the next one may come. */
    private void next() {
        busy = false;
        if (inputEnded) {
            answer.onCompleted();
        } else {
            answer.request(1);
        }
    }

    @Override
    public void onError(Throwable cause) {
        // The client has gone; what ran for it is aborted.
    }

    @Override
    public void onCompleted() {
        transport.loop().execute(() -> {
            inputEnded = true;
            if (!busy) {
                answer.onCompleted();
            }
        });
    }

    /** The answer to one request. */
    private final class One implements CallOutput {
        private final KserveShape shape;
        private final String id;

        One(KserveShape shape, String id) {
            this.shape = shape;
            this.id = id;
        }

        @Override
        public void begin(String answerId) {
            transport.admission().giveBack();
        }

        @Override
        public void part(Part part) {
            shape.part(part).forEach(this::send);
        }

        private void send(ModelInferResponse response) {
            answer.onNext(ModelStreamInferResponse.newBuilder()
                    .setInferResponse(response)
                    .build());
        }

        @Override
        public void end(Usage usage) {
            send(shape.end(usage));
        }

        @Override
        public void whole(List<Part> parts, Usage usage) {
            throw new IllegalStateException("requests of a stream are answered by streams");
        }

        @Override
        public void done(@Nullable ApiException error, Runnable left) {
            // What follows may be long in coming: the answer counts as sent.
            left.run();
            if (error != null) {
                fail(id, error);
            }
            next();
        }
    }
}
