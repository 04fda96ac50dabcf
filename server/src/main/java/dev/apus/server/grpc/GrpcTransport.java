package dev.apus.server.grpc;

import io.grpc.Attributes;
import io.netty.util.concurrent.EventExecutor;
import org.jspecify.annotations.Nullable;

/**
 * What a service that answers by events needs of the stream below its call, besides {@link io.grpc.ServerCall}. Found among the call's
 * attributes, so that interceptors may lie between.
 */
interface GrpcTransport {
    /** The call's attribute; every call of this server has it. */
    Attributes.Key<GrpcTransport> KEY = Attributes.Key.create("dev.apus.server.grpc.transport");

    /** The event loop that moves the stream's bytes: messages sent on it are written at once. */
    EventExecutor loop();

    /** {@link System#nanoTime} of the call's arrival. */
    long arrivalNanos();

    /** How long after its arrival the client gives it up, in nanoseconds; null means never. */
    @Nullable
    Long timeoutNanos();

    /** Whether the client takes what is written without its piling up here. */
    boolean isWritable();

    /** What to do when a slow client has read what was written; runs on the event loop. */
    void onWritable(Runnable action);

    /** Resets the stream without an end of the answer: for clients that do not read. Any thread. */
    void cutOff();
}
