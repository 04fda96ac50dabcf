package dev.apus.server.http;

import dev.apus.server.auth.Role;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A path and what answers it.
 *
 * @param method the one method that it answers, besides HEAD for GET
 * @param path its path; one that ends in {@code *} takes all that begin so
 * @param kind what it costs and when it is answered
 * @param needs who may ask for it, once there are keys
 * @param page whether it is for browsers alone: those that accept HTML
 * @param handler answers the exchange, now or later
 */
record Route(String method, String path, Kind kind, Needs needs, boolean page, Handler handler) {
    /** A route for all clients. */
    Route(String method, String path, Kind kind, Needs needs, Handler handler) {
        this(method, path, kind, needs, false, handler);
    }

    /** A route for those who may use the models. */
    Route(String method, String path, Kind kind, Handler handler) {
        this(method, path, kind, Needs.INFERENCE, handler);
    }

    /** What a request must bring to be answered. */
    enum Needs {
        /**
         * Nothing: for orchestrators, which have no key, and for the console's page, which asks for one. Such a route tells nothing but that
         * the server is there.
         */
        NOTHING(null),
        /** Any valid key. */
        KEY(null),
        INFERENCE(Role.INFERENCE),
        MONITOR(Role.MONITOR),
        ADMIN(Role.ADMIN);

        private final @Nullable Role role;

        Needs(@Nullable Role role) {
            this.role = role;
        }

        /** The role that a key must have, if one. */
        @Nullable
        Role role() {
            return role;
        }
    }

    /** What a route costs and when it is answered. */
    enum Kind {
        /** Makes the engine work: refused while the server drains. The handler runs on a virtual thread, as do the others' but one. */
        GENERATION,
        /** Work of the server alone. */
        ORDINARY,
        /** Takes files in a form ({@code multipart/form-data}), and reads them while they come. */
        UPLOAD,
        /** For those who watch the server. */
        WATCH,
        /** Watches, too, and is so cheap that the event loop answers it: however busy the virtual threads are. */
        PROBE
    }

    /** Answers an exchange or throws. */
    interface Handler {
        /** @throws ApiException to be answered as an error object */
        void handle(Exchange exchange);
    }

    boolean matches(String requested) {
        return path.endsWith("*")
                ? requested.length() >= path.length() && requested.startsWith(path.substring(0, path.length() - 1))
                : path.equals(requested);
    }

    /** Whether a client with these headers is one of those that it is for. */
    boolean suits(HttpHeaders headers) {
        return !page
                || headers.get(HttpHeaderNames.ACCEPT, "")
                        .toLowerCase(Locale.ROOT)
                        .contains("text/html");
    }

    boolean answers(String requestedMethod) {
        return method.equals(requestedMethod) || (method.equals("GET") && requestedMethod.equals("HEAD"));
    }

    boolean generates() {
        return kind == Kind.GENERATION;
    }

    /** Whether the handler begins before the body has come. */
    boolean takesStream() {
        return kind == Kind.UPLOAD;
    }

    /** Whether it is answered when there are as many connections as there may be. */
    boolean watches() {
        return kind == Kind.WATCH || kind == Kind.PROBE;
    }

    /** Whether the handler runs on the event loop. */
    boolean inline() {
        return kind == Kind.PROBE;
    }

    /** Whether a request without a body makes no sense; one to a path below a route's own is a command to the thing that it names. */
    boolean takesBody() {
        return !path.endsWith("*");
    }
}
