package dev.apus.models.hub;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Proxies: which hosts go through them, with which credentials, and what is said if they refuse. */
@Timeout(30)
class HubProxyTest {
    /** {@code me:p@ss+}, encoded. */
    private static final String CREDENTIALS = "me:p%40ss+";

    private static final String HEADER = "Basic bWU6cEBzcys=";

    @TempDir
    Path home;

    private HubOptions options(String endpoint, Map<String, String> proxies) {
        Map<String, String> env = new HashMap<>(proxies);
        env.put("HOME", home.toString());
        env.put("HF_ENDPOINT", endpoint);
        return HubOptions.fromEnvironment(env).withRetries(0, Duration.ZERO);
    }

    private Path resolve(HubOptions options) {
        return new ModelHub(options).resolve("org/m", ProgressListener.none());
    }

    private static FakeHub hub() throws IOException {
        FakeHub hub = new FakeHub();
        hub.files.put("config.json", "{}".getBytes(UTF_8));
        hub.files.put("model.safetensors", FakeHub.bytes(10));
        return hub;
    }

    @ParameterizedTest
    @CsvSource(textBlock = """
            '*',                       https://hub.example/x,       false
            'hub.example',             https://hub.example/x,       false
            'HUB.example',             https://hub.EXAMPLE/x,       false
            'hub.example',             https://a.hub.example/x,     false
            'hub.example',             https://myhub.example/x,     true
            '.example',                https://hub.example/x,       false
            '*.example',               https://hub.example/x,       false
            '.hub.example',            https://hub.example/x,       false
            'a.example, b.example',    https://b.example/x,         false
            'a.example  b.example',    https://b.example/x,         false
            ',,',                      https://b.example/x,         true
            'hub.example:443',         https://hub.example/x,       false
            'hub.example:8443',        https://hub.example/x,       true
            '.example:8443',           https://hub.example:8443/x,  false
            'hub.example:80',          http://hub.example/x,        false
            'hub.example.org',         https://hub.example/x,       true
            '10.0.0.0/8',              https://10.1.2.3/x,          false
            '10.0.0.0/8',              https://11.1.2.3/x,          true
            '10.1.2.3',                https://10.1.2.3/x,          false
            '10.1.2.3:443',            https://10.1.2.3/x,          false
            '2.3',                     https://10.1.2.3/x,          true
            '10.0.0.0/x',              https://10.0.0.0/x,          true
            '192.168.1.128/25',        https://192.168.1.127/x,     true
            '::1',                     https://[::1]/x,             false
            '[::1]:8080',              http://[::1]:8080/x,         false
            '[::1]:8080',              http://[::1]/x,              true
            'fd00::/8',                http://[fd12::1]/x,          false
            """)
    void exceptionsAreThoseOfCurl(String noProxy, String address, boolean served) {
        HubProxy proxy = HubProxy.of("HTTPS_PROXY", "http://proxy:3128", noProxy);
        assertThat(proxy.serves(URI.create(address))).isEqualTo(served);
    }

    @Test
    void readsVariablesInCapitalsOrNot() {
        HubOptions upper = options("http://hub", Map.of("HTTPS_PROXY", "p:1", "https_proxy", "q:2", "NO_PROXY", "a"));
        assertThat(upper.proxy()).isEqualTo(new HubProxy("p", 1, null, List.of("a")));
        HubOptions lower = options("http://hub", Map.of("all_proxy", "https://q", "no_proxy", "B,c"));
        assertThat(lower.proxy()).isEqualTo(new HubProxy("q", 443, null, List.of("b", "c")));
        assertThat(options("http://hub", Map.of("NO_PROXY", "a")).proxy()).isNull();
    }

    @Test
    void tellsOfWhatIsNoProxyButNotThePassword() {
        for (String address : List.of("http://me:sec ret@p:1", "http://me:secret#1@p:1", "socks5://me:secret@p:1")) {
            assertThatThrownBy(() -> HubProxy.of("https_proxy", address, null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("https_proxy")
                    .hasMessageContaining("http://user:password@host:port")
                    .hasMessageNotContaining("sec");
        }
        assertThat(HubProxy.of("HTTPS_PROXY", "http://me:secret@p:1", "x"))
                .hasToString("p:1 with credentials but for x");
    }

    @Test
    void goesAroundADeadProxyToAnExceptedHost() throws IOException {
        try (FakeHub hub = hub()) {
            Map<String, String> env = Map.of("HTTPS_PROXY", "http://127.0.0.1:1", "no_proxy", "other, 127.0.0.1");
            assertThat(resolve(options(hub.endpoint().toString(), env)).resolve("model.safetensors"))
                    .exists();
        }
    }

    @Test
    void sendsCredentialsToTheProxyOnly() throws IOException {
        List<String> seen = new CopyOnWriteArrayList<>();
        try (FakeHub hub = hub()) {
            hub.handlers.put("/api/models/org/m/revision/main", exchange -> {
                seen.add(String.valueOf(exchange.getRequestHeaders().getFirst("Proxy-Authorization")));
                FakeHub.send(exchange, 200, hub.hfListing().getBytes(UTF_8));
            });
            String proxy = hub.endpoint().toString().replace("//", "//" + CREDENTIALS + "@");
            resolve(options("http://hub.example", Map.of("HTTPS_PROXY", proxy)));
            resolve(options(hub.endpoint().toString(), Map.of("HTTPS_PROXY", proxy, "NO_PROXY", "127.0.0.1"))
                    .withRevision("main"));
        }
        assertThat(seen).startsWith(HEADER).doesNotContain("null");
        assertThat(seen.subList(1, seen.size())).isEmpty();
    }

    @Test
    void saysWhatToDoIfTheProxyWantsCredentials() throws IOException {
        try (FakeHub hub = hub()) {
            hub.handlers.put("/api/models/org/m/revision/main", exchange -> {
                exchange.getResponseHeaders().set("Proxy-Authenticate", "Basic realm=\"x\"");
                FakeHub.send(exchange, 407, new byte[0]);
            });
            String proxy = hub.endpoint().toString();
            assertThatThrownBy(() -> resolve(options("http://hub.example", Map.of("HTTPS_PROXY", proxy))))
                    .hasMessageContaining("407")
                    .hasMessageContaining("wants credentials: give them as HTTPS_PROXY=http://user:password@host:port");
            assertThatThrownBy(() -> resolve(
                            options("http://hub.example", Map.of("HTTPS_PROXY", proxy.replace("//", "//me:secret@")))))
                    .hasMessageContaining("refuses the user and password")
                    .hasMessageNotContaining("secret");
        }
    }

    /** Https goes through tunnels, for which the JDK has rules of its own that hold from its client's first use on: a JVM of its own. */
    @Test
    void sendsCredentialsForATunnelToo() throws IOException, InterruptedException {
        List<String> lines = new CopyOnWriteArrayList<>();
        Thread server;
        try (ServerSocket proxy = new ServerSocket(0, 9, InetAddress.getLoopbackAddress())) {
            server = Thread.ofVirtual().name("tunnel").start(() -> refuseTunnels(proxy, lines));
            Process child = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            Probe.class.getName(),
                            home.toString(),
                            "http://" + CREDENTIALS + "@127.0.0.1:" + proxy.getLocalPort())
                    .redirectErrorStream(true)
                    .start();
            String said = new String(child.getInputStream().readAllBytes(), UTF_8);
            assertThat(child.waitFor()).as(said).isZero();
            assertThat(said).contains("refuses the user and password").contains("407");
        }
        server.join();
        assertThat(lines).contains("CONNECT hub.example:443 HTTP/1.1", "Proxy-Authorization: " + HEADER);
    }

    private static void refuseTunnels(ServerSocket proxy, List<String> lines) {
        try {
            while (true) {
                try (Socket socket = proxy.accept()) {
                    BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(), ISO_8859_1));
                    for (String line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) {
                        lines.add(line);
                    }
                    socket.getOutputStream()
                            .write(("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                                            + "Content-Length: 0\r\nConnection: close\r\n\r\n")
                                    .getBytes(ISO_8859_1));
                }
            }
        } catch (IOException e) {
            lines.add("closed: " + e.getMessage()); // the test closes the socket at its end
        }
    }

    /** Asks an https hub through a proxy and prints why that fails. */
    static final class Probe {
        private Probe() {}

        public static void main(String[] args) {
            HubOptions options = HubOptions.fromEnvironment(
                            Map.of("HOME", args[0], "HTTPS_PROXY", args[1], "HF_ENDPOINT", "https://hub.example"))
                    .withRetries(0, Duration.ZERO);
            try {
                new ModelHub(options).resolve("org/m", ProgressListener.none());
            } catch (ModelNotFoundException e) {
                System.out.println(e.getMessage());
            }
        }
    }
}
