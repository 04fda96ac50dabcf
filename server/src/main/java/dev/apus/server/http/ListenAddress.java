package dev.apus.server.http;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.Locale;

/** Where a server listens, tried before it is needed. */
final class ListenAddress {
    /** Ports below it belong to the system's administrator on most systems. */
    private static final int FIRST_FREE_PORT = 1024;

    private ListenAddress() {}

    /**
     * Listens for a moment and stops. Nothing is accepted meanwhile: a port that is open means a server that is ready.
     *
     * @throws ListenException if it cannot be listened on
     */
    static void check(String host, int port) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getByName(host), port));
        } catch (IOException e) {
            throw failure(host, port, e);
        }
    }

    /** Why {@code host} and {@code port} cannot be listened on, by what the system says. */
    static ListenException failure(String host, int port, Throwable cause) {
        return new ListenException("cannot listen on " + host + ":" + port + ": " + reason(host, port, cause), cause);
    }

    private static String reason(String host, int port, Throwable cause) {
        String said = String.valueOf(cause.getMessage());
        String lower = said.toLowerCase(Locale.ROOT);
        if (isUnknown(host)) {
            return "there is no host of that name; give an address of this machine, or 0.0.0.0 for all";
        }
        if (lower.contains("in use")) {
            return "the port is in use; stop what uses it, or choose another (port 0 takes a free one)";
        }
        if (lower.contains("assign requested address")) {
            return "that is no address of this machine; give one, or 0.0.0.0 for all";
        }
        if (lower.contains("permission denied") && port < FIRST_FREE_PORT) {
            return "ports below " + FIRST_FREE_PORT + " need the administrator's rights; choose a higher one";
        }
        return cause.getMessage() == null ? cause.toString() : said;
    }

    private static boolean isUnknown(String host) {
        try {
            InetAddress.getByName(host);
            return false;
        } catch (UnknownHostException e) {
            return true;
        }
    }
}
