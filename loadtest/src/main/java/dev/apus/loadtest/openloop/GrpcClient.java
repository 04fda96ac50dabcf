package dev.apus.loadtest.openloop;

import dev.apus.loadtest.Target;
import dev.apus.proto.v1.Choice;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.InferenceGrpc;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** {@code apus.v1}'s streams: {@code GenerateStream}, or {@code ChatStream} where the target's endpoint is that of chats. */
final class GrpcClient implements StreamClient {
    /** The call ends by its deadline; this is for a client that hangs. */
    private static final long GRACE_MILLIS = 10_000;

    private final Target target;
    private final GrpcCaller caller;

    GrpcClient(Target target) {
        this.target = target;
        caller = new GrpcCaller(target);
    }

    @Override
    public void stream(String prompt, int maxTokens, long deadlineMillis, StreamListener listener)
            throws IOException, InterruptedException {
        CompletableFuture<Status> ended = new CompletableFuture<>();
        InferenceGrpc.InferenceStub stub =
                caller.async(target.key()).withDeadlineAfter(deadlineMillis, TimeUnit.MILLISECONDS);
        GenerateRequest request = caller.request(prompt, maxTokens);
        Observer observer = new Observer(listener, ended);
        if (target.endpoint().equals(Target.CHAT)) {
            stub.chatStream(GrpcCaller.chat(request), observer);
        } else {
            stub.generateStream(request, observer);
        }
        Status status;
        try {
            status = ended.get(deadlineMillis + GRACE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("the call did not end by its deadline", e);
        }
        Status.Code code = status.getCode();
        if (code == Status.Code.RESOURCE_EXHAUSTED || code == Status.Code.UNAVAILABLE) {
            throw new BusyException(code.toString());
        }
        if (!status.isOk()) {
            throw new IOException(code + ": " + status.getDescription());
        }
    }

    private record Observer(StreamListener listener, CompletableFuture<Status> ended)
            implements StreamObserver<GenerationResponse> {
        @Override
        public void onNext(GenerationResponse message) {
            for (Choice choice : message.getChoicesList()) {
                if (!choice.getText().isEmpty() || !choice.getReasoning().isEmpty()) {
                    listener.piece();
                }
            }
            if (message.hasUsage()) {
                listener.usage(
                        message.getUsage().getPromptTokens(), message.getUsage().getCompletionTokens());
            }
        }

        @Override
        public void onError(Throwable error) {
            ended.complete(Status.fromThrowable(error));
        }

        @Override
        public void onCompleted() {
            ended.complete(Status.OK);
        }
    }

    @Override
    public void close() {
        caller.close();
    }
}
