package dev.apus.models.hub;

import java.net.InetAddress;
import org.jspecify.annotations.Nullable;

/** Matching of one entry of {@code NO_PROXY}, lower case, as curl and Python's requests do. */
final class NoProxyEntry {
    private NoProxyEntry() {}

    static boolean matches(String entry, String host, int port) {
        if (entry.equals("*")) {
            return true;
        }
        String name = entry;
        int colon = entry.lastIndexOf(':');
        boolean bracketed = entry.startsWith("[") && entry.indexOf(']') == colon - 1;
        boolean single = colon >= 0 && entry.indexOf(':') == colon;
        if (colon >= 0 && (bracketed || single)) {
            if (!entry.substring(colon + 1).equals(Integer.toString(port))) {
                return false;
            }
            name = entry.substring(0, colon);
        }
        byte[] address = literal(host);
        return address == null ? matchesName(name, host) : matchesAddress(name, address);
    }

    private static boolean matchesName(String entry, String host) {
        String name = entry.startsWith("*.") ? entry.substring(2) : entry.startsWith(".") ? entry.substring(1) : entry;
        return !name.isEmpty() && (host.equals(name) || host.endsWith("." + name));
    }

    /** An equal address, or one whose first bits are those of a range {@code address/bits}. */
    private static boolean matchesAddress(String entry, byte[] address) {
        int slash = entry.indexOf('/');
        byte[] range = literal(slash < 0 ? entry : entry.substring(0, slash));
        String count = slash < 0 ? "" : entry.substring(slash + 1);
        if (range == null || range.length != address.length || (slash >= 0 && !count.matches("\\d{1,3}"))) {
            return false;
        }
        int bits = Math.min(slash < 0 ? Integer.MAX_VALUE : Integer.parseInt(count), 8 * address.length);
        for (int i = 0; i < bits; i++) {
            if (((range[i / 8] ^ address[i / 8]) & (0x80 >> (i % 8))) != 0) {
                return false;
            }
        }
        return true;
    }

    /** The bytes of an address in digits; null for a name, which is not looked up. */
    private static byte @Nullable [] literal(String host) {
        String plain = host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
        if (!plain.matches("\\d{1,3}(\\.\\d{1,3}){3}") && !plain.contains(":")) {
            return null;
        }
        try {
            return InetAddress.ofLiteral(plain).getAddress();
        } catch (IllegalArgumentException e) {
            return null; // digits and dots or colons, but no address
        }
    }
}
