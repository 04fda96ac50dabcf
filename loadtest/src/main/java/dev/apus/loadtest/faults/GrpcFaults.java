package dev.apus.loadtest.faults;

import dev.apus.loadtest.Prompts;
import dev.apus.loadtest.Target;
import dev.apus.loadtest.openloop.GrpcCaller;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** Calls of gRPC that are cancelled, have no time, or are let be. */
final class GrpcFaults implements AutoCloseable {
    private static final int TOKENS = 200;
    private static final long PATIENCE_SECONDS = 120;

    private final GrpcCaller caller;
    private final Keys keys;
    private final Outcomes outcomes;

    GrpcFaults(Target target, Keys keys, Outcomes outcomes) {
        caller = new GrpcCaller(target);
        this.keys = keys;
        this.outcomes = outcomes;
    }

    /** Cancels a stream after a few messages. */
    String cancelled(RandomGenerator random) throws IOException, InterruptedException {
        return call(request(random, TOKENS), 1 + random.nextInt(20), 0, Set.of(Status.Code.CANCELLED));
    }

    /** Has less time than an answer takes, perhaps. */
    String inAHurry(RandomGenerator random) throws IOException, InterruptedException {
        return call(
                request(random, TOKENS),
                Integer.MAX_VALUE,
                1 + random.nextInt(200),
                Set.of(Status.Code.DEADLINE_EXCEEDED));
    }

    /** Takes the whole stream. */
    String whole(RandomGenerator random) throws IOException, InterruptedException {
        return call(request(random, 24), Integer.MAX_VALUE, 0, Set.of());
    }

    private GenerateRequest request(RandomGenerator random, int tokens) {
        return caller.request(Prompts.words(8, random), tokens);
    }

    /**
     * @param cancelAfter messages
     * @param deadlineMillis 0: none
     * @param right statuses besides OK that are right
     */
    private String call(GenerateRequest request, int cancelAfter, long deadlineMillis, Set<Status.Code> right)
            throws IOException, InterruptedException {
        CompletableFuture<Status> ended = new CompletableFuture<>();
        var stub = caller.async(keys.of(0));
        if (deadlineMillis > 0) {
            stub = stub.withDeadlineAfter(deadlineMillis, TimeUnit.MILLISECONDS);
        }
        stub.generateStream(request, new Reader(cancelAfter, ended));
        Status status;
        try {
            status = ended.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("no end of the stream after " + PATIENCE_SECONDS + " s", e);
        }
        if (status.isOk()) {
            outcomes.whole(1);
            return "OK";
        }
        outcomes.open(1);
        if (status.getCode() == Status.Code.DEADLINE_EXCEEDED) {
            outcomes.tooLate();
        }
        if (status.getCode() == Status.Code.RESOURCE_EXHAUSTED || right.contains(status.getCode())) {
            return status.getCode().toString();
        }
        throw new IOException(status.toString());
    }

    /** Cancels after some messages, from within. */
    private static final class Reader implements ClientResponseObserver<GenerateRequest, GenerationResponse> {
        private final int cancelAfter;
        private final CompletableFuture<Status> ended;
        private @Nullable ClientCallStreamObserver<GenerateRequest> call;
        private int messages;

        Reader(int cancelAfter, CompletableFuture<Status> ended) {
            this.cancelAfter = cancelAfter;
            this.ended = ended;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<GenerateRequest> stream) {
            call = stream;
        }

        @Override
        public void onNext(GenerationResponse message) {
            if (++messages == cancelAfter && call != null) {
                call.cancel("enough", null);
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
