package dev.apus.server.grpc;

import io.grpc.Metadata;
import org.jspecify.annotations.Nullable;

/**
 * What the head of a call says.
 *
 * @param method {@code package.Service/Method}
 * @param authority the host that the client means
 * @param timeoutNanos after how long the client gives up, or null for never
 * @param compressed whether the client compresses by gzip and is answered so
 * @param metadata what is left for services
 */
record GrpcRequest(
        String method,
        @Nullable String authority,
        @Nullable Long timeoutNanos,
        boolean compressed,
        Metadata metadata) {}
