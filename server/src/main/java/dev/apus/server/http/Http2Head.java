package dev.apus.server.http;

import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http2.Http2Headers;
import java.util.Map;

/** The head of an HTTP/2 request in HTTP/1.1's terms (RFC 9113, 8.3.1), so that what is checked there is checked here. */
final class Http2Head {
    /** What a field takes besides its characters: an entry and two strings. */
    private static final int PER_FIELD = 128;

    private Http2Head() {}

    /** @throws ApiException if it is no request for a resource, or names two hosts */
    static HttpRequest request(Http2Headers head) {
        CharSequence method = head.method();
        CharSequence path = head.path();
        if (method == null || path == null || path.isEmpty() || head.scheme() == null) {
            throw ApiException.badRequest("a request must have :method, :scheme and :path");
        }
        try {
            HttpRequest request = new DefaultHttpRequest(
                    HttpVersion.HTTP_1_1, HttpMethod.valueOf(method.toString()), path.toString());
            copy(head, request.headers());
            return request;
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest("this is not a valid HTTP request");
        }
    }

    private static void copy(Http2Headers head, HttpHeaders to) {
        for (Map.Entry<CharSequence, CharSequence> field : head) {
            if (field.getKey().charAt(0) != ':') {
                to.add(field.getKey(), field.getValue());
            }
        }
        CharSequence authority = head.authority();
        if (authority == null) {
            return;
        }
        String host = to.get(HttpHeaderNames.HOST);
        if (host != null && !host.contentEquals(authority)) {
            throw ApiException.badRequest("the Host header differs from :authority");
        }
        to.set(HttpHeaderNames.HOST, authority);
    }

    /** Bytes of heap that it takes, estimated from above. */
    static long bytes(Http2Headers head) {
        long bytes = 0;
        for (Map.Entry<CharSequence, CharSequence> field : head) {
            bytes +=
                    PER_FIELD + 2L * (field.getKey().length() + field.getValue().length());
        }
        return bytes;
    }
}
