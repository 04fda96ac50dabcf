package dev.apus.server.http;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** A connection that sends any bytes; texts are Latin-1, so that a character is a byte. */
final class RawClient implements AutoCloseable {
    private static final int TIMEOUT_MILLIS = 10_000;

    final Socket socket = new Socket();

    RawClient(HttpServer server) throws IOException {
        this(server, 0);
    }

    RawClient(int port) throws IOException {
        this(port, 0);
    }

    /** @param receiveBuffer bytes that the system takes for a client that does not read; 0 leaves it to the system */
    RawClient(HttpServer server, int receiveBuffer) throws IOException {
        this(server.port(), receiveBuffer);
    }

    private RawClient(int port, int receiveBuffer) throws IOException {
        if (receiveBuffer > 0) {
            socket.setReceiveBufferSize(receiveBuffer);
        }
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), TIMEOUT_MILLIS);
        socket.setSoTimeout(TIMEOUT_MILLIS);
        socket.setTcpNoDelay(true);
    }

    /** A request with a JSON body. */
    static String post(String path, String body, String... headers) {
        return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n" + lines(headers) + "\r\n" + body;
    }

    static String get(String path, String... headers) {
        return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + lines(headers) + "\r\n";
    }

    private static String lines(String... headers) {
        return headers.length == 0 ? "" : String.join("\r\n", headers) + "\r\n";
    }

    RawClient send(String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        socket.getOutputStream().flush();
        return this;
    }

    /** Reads until what was read ends with {@code end}, or the connection ends. */
    String readUntil(String end) throws IOException {
        StringBuilder text = new StringBuilder();
        InputStream in = socket.getInputStream();
        while (!text.toString().endsWith(end)) {
            int value = in.read();
            if (value < 0) {
                break;
            }
            text.append((char) value);
        }
        return text.toString();
    }

    /** Reads until the connection ends. */
    String readAll() throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    /** Reads an answer with a length: its head and its body. */
    String readAnswer() throws IOException {
        String head = readUntil("\r\n\r\n");
        int at = head.indexOf("content-length: ");
        if (at < 0) {
            return head;
        }
        int from = at + "content-length: ".length();
        int length = Integer.parseInt(head.substring(from, head.indexOf('\r', from)));
        return head + new String(socket.getInputStream().readNBytes(length), StandardCharsets.ISO_8859_1);
    }

    /** Reads so many bytes in pieces with pauses between them; returns how many came before the connection ended. */
    int readSlowly(int count, int piece, int pauseMillis) throws IOException, InterruptedException {
        int read = 0;
        while (read < count) {
            int got = socket.getInputStream().readNBytes(Math.min(piece, count - read)).length;
            if (got == 0) {
                return read;
            }
            read += got;
            Thread.sleep(pauseMillis);
        }
        return read;
    }

    /** Ends the connection with a reset, as a killed process may. */
    void reset() throws IOException {
        socket.setSoLinger(true, 0);
        socket.close();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
