package dev.apus.server.http;

import org.jspecify.annotations.Nullable;

/** A request that is answered by an OpenAI error object. */
public final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final @Nullable String param;
    private final @Nullable String code;
    private final int retryAfterSeconds;

    /**
     * @param param the parameter at fault, if it is one
     * @param code a word for programs
     * @param retryAfterSeconds when to try again, or 0 if that would not help
     */
    public ApiException(
            int status, String message, @Nullable String param, @Nullable String code, int retryAfterSeconds) {
        // Expected outcomes of a request: nobody reads their stack.
        super(message, null, false, false);
        this.status = status;
        this.param = param;
        this.code = code;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    /** The request as a whole is wrong. */
    public static ApiException badRequest(String message) {
        return new ApiException(400, message, null, null, 0);
    }

    /** A parameter has a wrong type or value. */
    public static ApiException invalid(String param, String message) {
        return new ApiException(400, message, param, "invalid_value", 0);
    }

    /** A parameter asks for what this server cannot do. */
    public static ApiException unsupported(String param, String message) {
        return new ApiException(400, message, param, "unsupported_parameter", 0);
    }

    static ApiException unavailable(String message) {
        return new ApiException(503, message, null, "service_unavailable", 5);
    }

    /** The body is larger than so many bytes. */
    static ApiException tooLarge(long most) {
        return new ApiException(
                413, "the request body is larger than the limit of " + most + " bytes", null, "request_too_large", 0);
    }

    static ApiException tooManyConnections() {
        return unavailable("the server has as many connections as it may");
    }

    /** HTTP's status. */
    public int status() {
        return status;
    }

    /** A word for programs, if there is one. */
    public @Nullable String code() {
        return code;
    }

    /** The parameter at fault, if it is one. */
    public @Nullable String param() {
        return param;
    }

    /** When to try again, or 0 if that would not help. */
    public int retryAfterSeconds() {
        return retryAfterSeconds;
    }

    /** The error object as JSON. */
    byte[] json() {
        return json(status, text(), param, code);
    }

    static byte[] json(int status, String message, @Nullable String param, @Nullable String code) {
        String type = status == 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
        JsonOut out = new JsonOut();
        out.raw("{\"error\":{\"message\":").string(message);
        out.raw(",\"type\":\"").raw(type).raw("\",\"param\":");
        out.stringOrNull(param).raw(",\"code\":").stringOrNull(code).raw("}}");
        return out.toBytes();
    }

    /** What is wrong, for people. */
    String text() {
        String message = getMessage();
        return message == null ? "error" : message;
    }
}
