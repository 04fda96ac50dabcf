package dev.apus.server.grpc;

import dev.apus.server.http.ApiException;
import dev.apus.server.http.CallOutput;
import dev.apus.server.http.Part;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Sends one answer as the messages of a service and ends its call.
 *
 * @param <A> the service's message
 */
final class Answer<A> implements CallOutput {
    /** Makes a service's messages; confined to one answer. */
    interface Shape<A> {
        void begin(String answerId);

        /** Messages of what a choice has to tell. */
        List<A> part(Part part);

        /** What ends a stream, or null for nothing. */
        @Nullable
        A end(Usage usage);

        /** Messages of an answer that is not streamed. */
        List<A> whole(List<Part> parts, Usage usage);
    }

    private final Shape<A> shape;
    private final StreamObserver<A> observer;
    private final GrpcTransport transport;

    Answer(Shape<A> shape, StreamObserver<A> observer) {
        this.shape = shape;
        this.observer = observer;
        transport = GrpcServices.transport();
        if (observer instanceof ServerCallStreamObserver<A> call) {
            // Without one, what is sent after a cancellation would throw.
            call.setOnCancelHandler(() -> {});
        }
    }

    @Override
    public void begin(String answerId) {
        shape.begin(answerId);
        // The parameters have been read: what they took is free.
        transport.admission().giveBack();
    }

    @Override
    public void part(Part part) {
        shape.part(part).forEach(observer::onNext);
    }

    @Override
    public void end(Usage usage) {
        A last = shape.end(usage);
        if (last != null) {
            observer.onNext(last);
        }
    }

    @Override
    public void whole(List<Part> parts, Usage usage) {
        shape.whole(parts, usage).forEach(observer::onNext);
    }

    @Override
    public void done(@Nullable ApiException error, Runnable left) {
        transport.onLeft(left);
        if (error == null) {
            observer.onCompleted();
        } else {
            observer.onError(GrpcErrors.of(error));
        }
    }
}
