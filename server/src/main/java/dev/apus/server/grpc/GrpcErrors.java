package dev.apus.server.grpc;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.apus.server.http.ApiException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Locale;

/** Errors of the front end as gRPC's: a status code and the details of {@code google.rpc.Status}. */
final class GrpcErrors {
    private static final String DOMAIN = "apus";

    private GrpcErrors() {}

    /** The status with {@code ErrorInfo}, {@code BadRequest} if a parameter is at fault and {@code RetryInfo} if waiting helps. */
    static StatusRuntimeException of(ApiException error) {
        String message = String.valueOf(error.getMessage());
        com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder()
                .setCode(code(error.status()).value())
                .setMessage(message);
        String code = error.code();
        status.addDetails(Any.pack(ErrorInfo.newBuilder()
                .setDomain(DOMAIN)
                .setReason((code == null ? code(error.status()).name() : code).toUpperCase(Locale.ROOT))
                .putMetadata("http_status", Integer.toString(error.status()))
                .build()));
        String param = error.param();
        if (param != null) {
            status.addDetails(Any.pack(BadRequest.newBuilder()
                    .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                            .setField(param)
                            .setDescription(message))
                    .build()));
        }
        if (error.retryAfterSeconds() > 0) {
            status.addDetails(Any.pack(RetryInfo.newBuilder()
                    .setRetryDelay(Duration.newBuilder().setSeconds(error.retryAfterSeconds()))
                    .build()));
        }
        return StatusProto.toStatusRuntimeException(status.build());
    }

    /** What this server lacks, by name. */
    static StatusRuntimeException unimplemented(String message) {
        return of(new ApiException(501, message, null, "unimplemented", 0));
    }

    private static Status.Code code(int http) {
        return switch (http) {
            case 401 -> Status.Code.UNAUTHENTICATED;
            case 403 -> Status.Code.PERMISSION_DENIED;
            case 404 -> Status.Code.NOT_FOUND;
            case 408, 504 -> Status.Code.DEADLINE_EXCEEDED;
            case 409 -> Status.Code.ABORTED;
            case 413, 429, 431 -> Status.Code.RESOURCE_EXHAUSTED;
            case 501 -> Status.Code.UNIMPLEMENTED;
            case 503 -> Status.Code.UNAVAILABLE;
            default -> http >= 500 ? Status.Code.INTERNAL : Status.Code.INVALID_ARGUMENT;
        };
    }
}
