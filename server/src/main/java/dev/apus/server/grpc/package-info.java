/**
 * gRPC on the server's own HTTP/2: {@link dev.apus.server.grpc.GrpcBridge} carries grpc-java's service layer over Netty's child channels, and
 * the services speak this project's protocol, vLLM's, KServe's, health checks and reflection.
 */
@org.jspecify.annotations.NullMarked
package dev.apus.server.grpc;
