package dev.apus.server.http;

import java.net.SocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * How a gRPC call ended.
 *
 * @param method that was called
 * @param code gRPC's, as {@code OK} or {@code DeadlineExceeded}
 * @param requestId that its client was told
 * @param remote the client's address, if known
 * @param nanos that it took
 * @param messagesReceived from the client
 * @param messagesSent to the client
 * @param bytesReceived of messages, as they came
 * @param bytesSent of messages, as they went
 * @param session what it did; null if it was not let in
 */
public record CallEnd(
        GrpcMethod method,
        String code,
        String requestId,
        @Nullable SocketAddress remote,
        long nanos,
        long messagesReceived,
        long messagesSent,
        long bytesReceived,
        long bytesSent,
        @Nullable CallSession session) {}
