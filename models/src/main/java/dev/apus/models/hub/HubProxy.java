package dev.apus.models.hub;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * An HTTP proxy and the hosts that are reached without it, by the variables that curl and the hubs' own clients read.
 *
 * @param host the proxy's host
 * @param port its port
 * @param credentials value of {@code Proxy-Authorization}; null for none
 * @param exceptions entries of {@code NO_PROXY}: {@code *}; a host, which stands for its subdomains too, also as {@code .host} or
 *     {@code *.host}; an address or a range like {@code 10.0.0.0/8}; each of the hosts and addresses with or without {@code :port}
 */
public record HubProxy(String host, int port, @Nullable String credentials, List<String> exceptions) {
    private static final String EXPECTED = "http://host:port or http://user:password@host:port is expected, with other"
            + " characters than letters and digits percent-encoded";

    public HubProxy {
        exceptions = List.copyOf(exceptions);
    }

    /**
     * The proxy of an address.
     *
     * @param variable which variable the address is from, for messages
     * @param address with or without a scheme
     * @param noProxy entries between commas or blanks; null for none
     * @throws IllegalArgumentException if the address is none of an HTTP proxy; the message holds no password
     */
    static HubProxy of(String variable, String address, @Nullable String noProxy) {
        URI uri;
        try {
            uri = URI.create(address.contains("://") ? address : "http://" + address);
        } catch (IllegalArgumentException e) {
            // the cause quotes the address, password and all
            throw new IllegalArgumentException(variable + " is no address; " + EXPECTED);
        }
        boolean secure = "https".equalsIgnoreCase(uri.getScheme());
        if (!secure && !"http".equalsIgnoreCase(uri.getScheme())) {
            throw new IllegalArgumentException(
                    variable + " names a proxy of the kind " + Names.quote(uri.getScheme()) + "; " + EXPECTED);
        }
        if (uri.getHost() == null) {
            throw new IllegalArgumentException(variable + " names no host; " + EXPECTED);
        }
        String user = uri.getRawUserInfo();
        return new HubProxy(
                uri.getHost(),
                uri.getPort() >= 0 ? uri.getPort() : secure ? 443 : 80,
                user == null ? null : basic(user),
                noProxy == null
                        ? List.of()
                        : Arrays.stream(noProxy.split("[,\\s]+"))
                                .filter(entry -> !entry.isEmpty())
                                .map(entry -> entry.toLowerCase(Locale.ROOT))
                                .toList());
    }

    private static String basic(String userInfo) {
        // a plus is itself here, unlike in forms
        String plain = URLDecoder.decode(userInfo.replace("+", "%2B"), StandardCharsets.UTF_8);
        String pair = plain.contains(":") ? plain : plain + ":";
        return "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
    }

    /** Whether an address is reached through the proxy. */
    boolean serves(URI address) {
        String target = String.valueOf(address.getHost()).toLowerCase(Locale.ROOT);
        boolean secure = "https".equalsIgnoreCase(address.getScheme());
        int targetPort = address.getPort() >= 0 ? address.getPort() : secure ? 443 : 80;
        return exceptions.stream().noneMatch(entry -> NoProxyEntry.matches(entry, target, targetPort));
    }

    /** For the JDK's client. */
    ProxySelector selector() {
        return new Selector(this);
    }

    /** Without credentials: options end up in logs. */
    @Override
    public String toString() {
        return host + ":" + port + (credentials == null ? "" : " with credentials")
                + (exceptions.isEmpty() ? "" : " but for " + String.join(",", exceptions));
    }

    private static final class Selector extends ProxySelector {
        private final HubProxy settings;
        private final Proxy proxy;

        Selector(HubProxy settings) {
            this.settings = settings;
            proxy = new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(settings.host, settings.port));
        }

        @Override
        public List<Proxy> select(URI uri) {
            return List.of(settings.serves(uri) ? proxy : Proxy.NO_PROXY);
        }

        @Override
        public void connectFailed(URI uri, SocketAddress address, IOException failure) {
            // there is no other to choose: the request fails with this failure
        }
    }
}
