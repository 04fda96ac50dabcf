package dev.apus.server.http;

import io.netty.handler.codec.http.HttpResponseStatus;

/** Names of HTTP status codes. */
final class Statuses {
    private Statuses() {}

    static String reason(int status) {
        return HttpResponseStatus.valueOf(status).reasonPhrase();
    }

    /** {@code 2xx} and so on, as vLLM's HTTP metrics label them. */
    static String family(int status) {
        return status / 100 + "xx";
    }
}
