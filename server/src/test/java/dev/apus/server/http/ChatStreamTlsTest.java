package dev.apus.server.http;

/** A stream's events over TLS and HTTP/2. */
class ChatStreamTlsTest extends ChatStreamTest {
    @Override
    Wire wire() {
        return Wire.TLS_HTTP_2;
    }
}
