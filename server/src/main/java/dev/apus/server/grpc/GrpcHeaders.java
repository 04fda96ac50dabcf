package dev.apus.server.grpc;

import io.grpc.Metadata;
import io.grpc.Status;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.util.AsciiString;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Between HTTP/2's header fields and gRPC's metadata, by the rules of gRPC's "PROTOCOL-HTTP2" document. */
final class GrpcHeaders {
    static final AsciiString TIMEOUT = AsciiString.cached("grpc-timeout");
    static final AsciiString ENCODING = AsciiString.cached("grpc-encoding");
    static final AsciiString ACCEPT_ENCODING = AsciiString.cached("grpc-accept-encoding");
    static final AsciiString REQUEST_ID = AsciiString.cached("x-request-id");
    static final AsciiString CONTENT_TYPE = AsciiString.cached("content-type");
    private static final AsciiString STATUS = AsciiString.cached("grpc-status");
    private static final AsciiString MESSAGE = AsciiString.cached("grpc-message");
    private static final AsciiString GRPC = AsciiString.cached("application/grpc");
    private static final AsciiString OK = AsciiString.cached("200");
    private static final AsciiString ENCODINGS = AsciiString.cached("identity,gzip");
    /** Fields of the transport, which services do not see and do not send. */
    private static final Set<String> RESERVED = Set.of(
            "content-type",
            "te",
            "grpc-timeout",
            "grpc-encoding",
            "grpc-accept-encoding",
            "grpc-status",
            "grpc-message",
            "connection",
            "transfer-encoding",
            "content-length");

    private GrpcHeaders() {}

    /** Whether a content type is gRPC's: {@code application/grpc} with any suffix or parameter, but not gRPC-Web. */
    static boolean isGrpc(@Nullable CharSequence contentType) {
        if (contentType == null || !AsciiString.regionMatches(contentType, true, 0, GRPC, 0, GRPC.length())) {
            return false;
        }
        return contentType.length() == GRPC.length() || "+;".indexOf(contentType.charAt(GRPC.length())) >= 0;
    }

    /**
     * A request's metadata.
     *
     * @throws IllegalArgumentException if a binary value is no base64
     */
    static Metadata metadata(Http2Headers headers) {
        Metadata metadata = new Metadata();
        for (Map.Entry<CharSequence, CharSequence> field : headers) {
            String name = field.getKey().toString();
            if (name.startsWith(":") || RESERVED.contains(name)) {
                continue;
            }
            if (name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
                Metadata.Key<byte[]> key = Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER);
                // Several values may have been joined on the way.
                for (String part : field.getValue().toString().split(",", -1)) {
                    metadata.put(key, Base64.getDecoder().decode(part.strip()));
                }
            } else {
                metadata.put(
                        Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER),
                        field.getValue().toString());
            }
        }
        return metadata;
    }

    /** The head of an answer; an {@code encoding} is named if its messages may be compressed. */
    static Http2Headers head(Metadata metadata, @Nullable String encoding) {
        Http2Headers headers =
                new DefaultHttp2Headers().status(OK).add(CONTENT_TYPE, GRPC).add(ACCEPT_ENCODING, ENCODINGS);
        if (encoding != null) {
            headers.add(ENCODING, encoding);
        }
        add(headers, metadata);
        return headers;
    }

    /** What ends an answer; with a head's fields if nothing was sent before. */
    static Http2Headers trailers(Status status, Metadata metadata, boolean alone) {
        Http2Headers headers = new DefaultHttp2Headers();
        if (alone) {
            headers.status(OK).add(CONTENT_TYPE, GRPC);
        }
        headers.add(STATUS, Integer.toString(status.getCode().value()));
        String message = status.getDescription();
        if (message != null) {
            headers.add(MESSAGE, percentEncoded(message));
        }
        add(headers, metadata);
        return headers;
    }

    private static void add(Http2Headers headers, Metadata metadata) {
        for (String name : metadata.keys()) {
            if (RESERVED.contains(name)) {
                continue;
            }
            if (name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
                Iterable<byte[]> values = metadata.getAll(Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER));
                if (values != null) {
                    values.forEach(value -> headers.add(
                            name, Base64.getEncoder().withoutPadding().encodeToString(value)));
                }
            } else {
                Iterable<String> values = metadata.getAll(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
                if (values != null) {
                    values.forEach(value -> headers.add(name, value));
                }
            }
        }
    }

    /** {@code grpc-message}'s form: printable ASCII but the percent sign is itself, other bytes of UTF-8 are escaped. */
    private static String percentEncoded(String message) {
        StringBuilder text = new StringBuilder(message.length());
        for (byte b : message.getBytes(StandardCharsets.UTF_8)) {
            if (b >= 0x20 && b <= 0x7e && b != '%') {
                text.append((char) b);
            } else {
                text.append('%');
                text.append(Character.toUpperCase(Character.forDigit((b >> 4) & 0xf, 16)));
                text.append(Character.toUpperCase(Character.forDigit(b & 0xf, 16)));
            }
        }
        return text.toString();
    }
}
