package dev.apus.loadtest.faults;

import dev.apus.loadtest.Target;
import dev.apus.loadtest.Trust;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/** HTTP/1.1 by hand: what no library would send. */
final class RawHttp {
    private static final int CONNECT_MILLIS = 30_000;
    private static final int READ_MILLIS = 120_000;
    private static final SSLContext TLS = Trust.everybody();

    private RawHttp() {}

    /** Connects; with TLS if the target has it. */
    static Socket connect(Target target) throws IOException {
        return connect(target, 0);
    }

    /** @param receiveBuffer bytes that the system takes for a client that does not read; 0: the system's default */
    static Socket connect(Target target, int receiveBuffer) throws IOException {
        Socket socket = new Socket();
        try {
            if (receiveBuffer > 0) {
                socket.setReceiveBufferSize(receiveBuffer);
            }
            String host = target.url().getHost();
            socket.connect(new InetSocketAddress(host, target.port()), CONNECT_MILLIS);
            socket.setSoTimeout(READ_MILLIS);
            if (!target.tls()) {
                return socket;
            }
            SSLSocket secure = (SSLSocket) TLS.getSocketFactory().createSocket(socket, host, target.port(), true);
            secure.startHandshake();
            return secure;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /** A POST of JSON, whole. */
    static byte[] post(Target target, String path, @Nullable String key, String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(head(target, path, key, "Content-Length: " + bytes.length + "\r\nConnection: close\r\n"));
        all.writeBytes(bytes);
        return all.toByteArray();
    }

    /**
     * The head of a POST.
     *
     * @param more header lines, each with its end
     */
    static byte[] head(Target target, String path, @Nullable String key, String more) {
        String authorization = key == null ? "" : "Authorization: Bearer " + key + "\r\n";
        return ("POST " + path + " HTTP/1.1\r\nHost: " + target.url().getRawAuthority()
                        + "\r\nContent-Type: application/json\r\n" + authorization + more + "\r\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    /** The status of an answer's first line. */
    static int status(String answer) throws IOException {
        if (!answer.startsWith("HTTP/1.1 ") || answer.length() < 12) {
            throw new IOException("no HTTP answer: '" + brief(answer) + "'");
        }
        return Integer.parseInt(answer.substring(9, 12));
    }

    /** Its beginning and its end. */
    static String brief(String answer) {
        int most = 300;
        return answer.length() <= 2 * most
                ? answer
                : answer.substring(0, most) + " ... " + answer.substring(answer.length() - most);
    }
}
