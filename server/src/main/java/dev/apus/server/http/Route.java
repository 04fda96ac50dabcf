package dev.apus.server.http;

/**
 * A path and what answers it.
 *
 * @param method the one method that it answers, besides HEAD for GET
 * @param path its path; one that ends in {@code *} takes all that begin so
 * @param generates whether it makes the engine work: refused while the server drains
 * @param handler runs on a virtual thread and answers the exchange, now or later
 */
record Route(String method, String path, boolean generates, Handler handler) {
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

    boolean answers(String requestedMethod) {
        return method.equals(requestedMethod) || (method.equals("GET") && requestedMethod.equals("HEAD"));
    }
}
