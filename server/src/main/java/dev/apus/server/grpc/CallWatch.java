package dev.apus.server.grpc;

import dev.apus.server.http.CallEnd;
import dev.apus.server.http.GrpcMethod;
import io.grpc.MethodDescriptor;
import io.grpc.Status;

/** Hears of calls, on their event loops; must not block. */
interface CallWatch {
    /** Hears of nothing. */
    CallWatch NONE = new CallWatch() {
        @Override
        public void began(GrpcMethod method) {}

        @Override
        public void ended(CallEnd call) {}
    };

    /** A call has come. */
    void began(GrpcMethod method);

    /** A call has ended; once for each that has begun. */
    void ended(CallEnd call);

    /** A method as metrics name it. */
    static GrpcMethod name(MethodDescriptor<?, ?> method) {
        if (method.getServiceName() == null) {
            return GrpcMethod.UNKNOWN;
        }
        String type =
                switch (method.getType()) {
                    case UNARY, UNKNOWN -> "unary";
                    case CLIENT_STREAMING -> "client_stream";
                    case SERVER_STREAMING -> "server_stream";
                    case BIDI_STREAMING -> "bidi_stream";
                };
        return new GrpcMethod(
                String.valueOf(method.getServiceName()), String.valueOf(method.getBareMethodName()), type);
    }

    /** A code as Go's libraries, and so dashboards, write it. */
    static String name(Status.Code code) {
        return switch (code) {
            case OK -> "OK";
            case CANCELLED -> "Canceled";
            case UNKNOWN -> "Unknown";
            case INVALID_ARGUMENT -> "InvalidArgument";
            case DEADLINE_EXCEEDED -> "DeadlineExceeded";
            case NOT_FOUND -> "NotFound";
            case ALREADY_EXISTS -> "AlreadyExists";
            case PERMISSION_DENIED -> "PermissionDenied";
            case RESOURCE_EXHAUSTED -> "ResourceExhausted";
            case FAILED_PRECONDITION -> "FailedPrecondition";
            case ABORTED -> "Aborted";
            case OUT_OF_RANGE -> "OutOfRange";
            case UNIMPLEMENTED -> "Unimplemented";
            case INTERNAL -> "Internal";
            case UNAVAILABLE -> "Unavailable";
            case DATA_LOSS -> "DataLoss";
            case UNAUTHENTICATED -> "Unauthenticated";
        };
    }
}
