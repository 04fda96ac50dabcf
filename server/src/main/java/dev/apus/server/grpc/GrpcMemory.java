package dev.apus.server.grpc;

import io.grpc.Status;
import java.util.function.LongPredicate;

/** What one call's messages take of the memory that the server has for requests. Thread-safe if its parts are. */
final class GrpcMemory {
    private final LongPredicate take;
    private final Runnable giveBack;

    /**
     * @param take takes what a message of so many bytes needs; false if there is no room
     * @param giveBack gives all of it back; may be called more than once
     */
    GrpcMemory(LongPredicate take, Runnable giveBack) {
        this.take = take;
        this.giveBack = giveBack;
    }

    /** Of a server that sets no limit. */
    static GrpcMemory unlimited() {
        return new GrpcMemory(bytes -> true, () -> {});
    }

    /** @throws io.grpc.StatusRuntimeException if there is no room */
    void take(long bytes) {
        if (!take.test(bytes)) {
            throw Status.UNAVAILABLE
                    .withDescription("the requests at hand take as much of the server's memory as they may")
                    .asRuntimeException();
        }
    }

    void giveBack() {
        giveBack.run();
    }
}
