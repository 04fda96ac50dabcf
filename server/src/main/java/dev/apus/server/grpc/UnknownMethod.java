package dev.apus.server.grpc;

import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.InputStream;

/** A method that does not exist, for those who may know that: it reads nothing and says so. */
final class UnknownMethod implements MethodDescriptor.Marshaller<byte[]> {
    private UnknownMethod() {}

    /** @param name as the client is told it */
    static ServerMethodDefinition<byte[], byte[]> of(String name) {
        UnknownMethod nothing = new UnknownMethod();
        return ServerMethodDefinition.create(
                MethodDescriptor.newBuilder(nothing, nothing)
                        .setType(MethodDescriptor.MethodType.UNKNOWN)
                        .setFullMethodName(GrpcServer.UNKNOWN)
                        .build(),
                (call, headers) -> {
                    call.close(
                            Status.UNIMPLEMENTED.withDescription(
                                    "there is no method " + name + ", see the server's reflection"),
                            new Metadata());
                    return new ServerCall.Listener<>() {};
                });
    }

    @Override
    public InputStream stream(byte[] value) {
        return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
        return new byte[0];
    }
}
