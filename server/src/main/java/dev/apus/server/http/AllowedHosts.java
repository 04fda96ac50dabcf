package dev.apus.server.http;

import io.netty.util.NetUtil;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;

/**
 * Which names the server answers to. A server on the loopback address has no other guard against web pages than that browsers keep origins
 * apart, and a page whose own name is made to resolve to 127.0.0.1 is of the same origin (DNS rebinding): its requests are known by their
 * Host header. Thread-safe.
 */
final class AllowedHosts {
    private static final String ALL = "*";

    private final boolean all;
    private final Set<String> names = new HashSet<>();

    /**
     * @param bound name or address that the server listens on
     * @param allowed names allowed besides the loopback's and {@code bound}; none means all unless {@code bound} is the loopback
     */
    AllowedHosts(String bound, Set<String> allowed) {
        all = allowed.contains(ALL) || (allowed.isEmpty() && !resolvesToLoopback(bound));
        names.add("localhost");
        names.add(bound.toLowerCase(Locale.ROOT));
        allowed.forEach(name -> names.add(name.toLowerCase(Locale.ROOT)));
    }

    /** @param header the value of a request's Host header, with a port or without */
    boolean allows(String header) {
        if (all) {
            return true;
        }
        String host = withoutPort(header.strip().toLowerCase(Locale.ROOT));
        return names.contains(host) || isLoopbackAddress(host);
    }

    private static String withoutPort(String header) {
        if (header.startsWith("[")) {
            int end = header.indexOf(']');
            return end < 0 ? header : header.substring(1, end);
        }
        int colon = header.indexOf(':');
        String host = colon < 0 ? header : header.substring(0, colon);
        // The root's dot: a fully qualified name.
        return host.endsWith(".") ? host.substring(0, host.length() - 1) : host;
    }

    private static boolean isLoopbackAddress(String host) {
        byte[] address = NetUtil.createByteArrayFromIpAddressString(host);
        try {
            return address != null && InetAddress.getByAddress(address).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false;
        }
    }

    /** Whether only this machine reaches a server that listens there. */
    static boolean resolvesToLoopback(String bound) {
        try {
            return InetAddress.getByName(bound).isLoopbackAddress();
        } catch (UnknownHostException e) {
            // Listening fails, too, and says why.
            return false;
        }
    }
}
