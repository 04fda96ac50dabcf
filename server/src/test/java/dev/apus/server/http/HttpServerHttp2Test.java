package dev.apus.server.http;

/** The server's answers over HTTP/2 without TLS. */
class HttpServerHttp2Test extends HttpServerTest {
    @Override
    Wire wire() {
        return Wire.H2C;
    }
}
