package dev.apus.server.grpc;

import dev.apus.server.http.CallSession;
import io.grpc.Status;
import io.netty.handler.codec.http2.Http2Headers;
import org.jspecify.annotations.Nullable;

/** That a call was let in, and what it takes of the memory for requests. */
interface CallAdmission {
    /** Lets calls in. */
    interface Gate {
        /**
         * Decides by a call's head, before its body is read.
         *
         * @param method {@code package.Service/Method}, or {@link GrpcServer#UNKNOWN} for one that does not exist
         * @throws io.grpc.StatusRuntimeException if the call may not be made
         */
        CallAdmission admit(GrpcTransport transport, Http2Headers head, String method);
    }

    /** Whether the method's requests are a name or less, so that long ones need not be read. */
    boolean brief();

    /** Takes what so many bytes of a message need; false if there is no room. Any thread. */
    boolean tryTake(long bytes);

    /** The service reads a message for which so many bytes were taken. Any thread. */
    void reading(long bytes);

    /**
     * Takes bytes of heap for what the message that is being read becomes when it is parsed. Any thread.
     *
     * @throws io.grpc.StatusRuntimeException if there is no room
     */
    void takeParsed(long bytes);

    /** The messages that were being read are not needed any more: what was taken for them is free. Any thread. */
    void giveBack();

    /** Takes bytes of the answer until {@link #sent}, whether or not there is room. Any thread. */
    void sending(long bytes);

    /** Bytes of the answer have left or never will. Any thread. */
    void sent(long bytes);

    /** The client takes more. On the event loop. */
    void writable();

    /** The call has ended or its client has gone. On the event loop. */
    void ended();

    /** The call has ended and its service does nothing more for it: what it has taken is free. Any thread. */
    void close();

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
