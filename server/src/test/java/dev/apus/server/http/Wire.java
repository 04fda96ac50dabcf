package dev.apus.server.http;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpClient;

/** What a client and a server of a test speak. */
enum Wire {
    HTTP_1_1(HttpClient.Version.HTTP_1_1),
    /** HTTP/2 without TLS; Java's client begins with HTTP/1.1 and asks for the change. */
    H2C(HttpClient.Version.HTTP_2);

    private final HttpClient.Version version;

    Wire(HttpClient.Version version) {
        this.version = version;
    }

    /** Options that a server needs for it. */
    HttpOptions.Builder options(HttpOptions.Builder options) {
        return options;
    }

    HttpClient client() {
        return HttpClient.newBuilder().version(version).build();
    }

    String url(int port) {
        return "http://127.0.0.1:" + port;
    }

    /** A connection for bytes of HTTP/1.1. */
    Socket socket(int port) throws IOException {
        return new Socket(InetAddress.getLoopbackAddress(), port);
    }
}
