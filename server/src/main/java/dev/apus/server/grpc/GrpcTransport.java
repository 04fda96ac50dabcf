package dev.apus.server.grpc;

import dev.apus.server.http.Caller;
import io.grpc.Attributes;
import org.jspecify.annotations.Nullable;

/**
 * What a service that answers by events needs of the stream below its call, besides {@link io.grpc.ServerCall}. Found among the call's
 * attributes, so that interceptors may lie between.
 */
interface GrpcTransport extends Caller {
    /** The call's attribute; every call of this server has it. */
    Attributes.Key<GrpcTransport> KEY = Attributes.Key.create("dev.apus.server.grpc.transport");

    /** After how long the client gives the call up, in nanoseconds; null for never. */
    @Nullable
    Long timeoutNanos();

    /** What let the call in. */
    CallAdmission admission();

    /** What to do, besides what was given before, when the end of the answer has left, or never will; runs on the event loop. */
    void onLeft(Runnable action);
}
