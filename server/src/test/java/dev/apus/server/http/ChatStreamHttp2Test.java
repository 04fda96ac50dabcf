package dev.apus.server.http;

/** A stream's events over HTTP/2 without TLS. */
class ChatStreamHttp2Test extends ChatStreamTest {
    @Override
    Wire wire() {
        return Wire.H2C;
    }
}
