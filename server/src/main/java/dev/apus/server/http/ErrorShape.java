package dev.apus.server.http;

import io.netty.handler.codec.http.HttpHeaders;

/** The form of errors in the API that a request speaks. */
enum ErrorShape {
    /** {@code {"error":{"message","type","param","code"}}}. */
    OPENAI {
        @Override
        byte[] json(ApiException error, String requestId) {
            return error.json();
        }
    },
    /** {@code {"type":"error","error":{"type","message"},"request_id"}}. */
    ANTHROPIC {
        @Override
        byte[] json(ApiException error, String requestId) {
            JsonOut out = new JsonOut().raw("{\"type\":\"error\",\"error\":{\"type\":\"");
            out.raw(type(error.status())).raw("\",\"message\":").string(error.text());
            return out.raw("},\"request_id\":").string(requestId).raw("}").toBytes();
        }
    };

    /** The error's JSON. */
    abstract byte[] json(ApiException error, String requestId);

    /** Anthropic's for its own paths, and for a client that says which version of Anthropic's API it speaks. */
    static ErrorShape of(String path, HttpHeaders headers) {
        boolean anthropic =
                path.equals(MessagesRoutes.PATH) || path.startsWith(MessagesRoutes.PATH + "/") || isAnthropic(headers);
        return anthropic ? ANTHROPIC : OPENAI;
    }

    /** Whether the client says that it speaks Anthropic's API. */
    static boolean isAnthropic(HttpHeaders headers) {
        return headers.contains(MessagesRoutes.VERSION);
    }

    /** Anthropic's word for a status. */
    private static String type(int status) {
        return switch (status) {
            case 401 -> "authentication_error";
            case 403 -> "permission_error";
            case 404 -> "not_found_error";
            case 413 -> "request_too_large";
            case 429 -> "rate_limit_error";
            case 503, 529 -> "overloaded_error";
            case 408, 504 -> "timeout_error";
            default -> status >= 500 ? "api_error" : "invalid_request_error";
        };
    }
}
