package dev.apus.server.http;

/**
 * A method of gRPC as metrics and logs name it.
 *
 * @param service {@code package.Service}
 * @param name of the method
 * @param type {@code unary}, {@code client_stream}, {@code server_stream} or {@code bidi_stream}
 */
public record GrpcMethod(String service, String name, String type) {
    /** What is called and does not exist: its name is the client's, and no label. */
    public static final GrpcMethod UNKNOWN = new GrpcMethod("unknown", "unknown", "unary");

    /** The path that it is called by. */
    String path() {
        return "/" + service + "/" + name;
    }
}
