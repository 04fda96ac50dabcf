package dev.apus.server.grpc;

import dev.apus.server.http.CallSession;
import io.grpc.Status;
import org.jspecify.annotations.Nullable;

/** That a call was let in, and what it takes of the memory for requests. */
interface Admission {
    /** Lets calls in. */
    interface Gate {
        /**
         * Decides by a call's head, before its body is read.
         *
         * @param method {@code package.Service/Method}
         * @throws io.grpc.StatusRuntimeException if the call may not be made
         */
        Admission admit(GrpcTransport transport, io.netty.handler.codec.http2.Http2Headers head, String method);
    }

    /** Takes what a message of so many bytes needs; false if there is no room. Any thread. */
    boolean tryTake(long bytes);

    /** The message has been read: what was taken for it is free. Any thread. */
    void giveBack();

    /** The client takes more. On the event loop. */
    void writable();

    /** The call has ended or its client has gone. On the event loop; maybe more than once. */
    void ended();

    /** What the call does; null if nobody asks. */
    default @Nullable CallSession session() {
        return null;
    }

    /** @throws io.grpc.StatusRuntimeException if there is no room */
    default void take(long bytes) {
        if (!tryTake(bytes)) {
            throw Status.UNAVAILABLE
                    .withDescription("the requests at hand take as much of the server's memory as they may")
                    .asRuntimeException();
        }
    }
}
