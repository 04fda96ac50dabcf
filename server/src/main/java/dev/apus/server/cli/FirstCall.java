package dev.apus.server.cli;

import dev.apus.server.tls.TlsCertificates;
import dev.apus.server.tls.TlsOptions;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The line for curl that a server which has started shows: it works from a terminal of the same machine.
 *
 * @param scheme http or https
 * @param host the address listened on
 * @param needsKey whether clients must send a key, which the line takes from the environment
 * @param tls null without TLS
 */
record FirstCall(
        String scheme,
        String host,
        int port,
        boolean needsKey,
        @Nullable TlsOptions tls) {
    /** All addresses of the machine: none that a client could name. */
    private static final Set<String> ANY = Set.of("0.0.0.0", "::", "0:0:0:0:0:0:0:0");

    /** Where a client on this machine finds the server. */
    String url() {
        String name = name();
        return scheme + "://" + (name.indexOf(':') >= 0 ? "[" + name + "]" : name) + ":" + port;
    }

    private String name() {
        return ANY.contains(host) ? "127.0.0.1" : host;
    }

    /** For a model that generates. */
    String chat() {
        return line(
                "-N ",
                "/v1/chat/completions",
                "{\"stream\": true, \"temperature\": 0, \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}");
    }

    /** For an encoder. */
    String embeddings() {
        return line("", "/v1/embeddings", "{\"input\": [\"Hello\", \"world\"]}");
    }

    private String line(String flags, String path, String body) {
        TlsOptions options = tls;
        return "curl "
                + flags
                // The certificate is another machine's or another name's, or nobody but itself vouches for it.
                + (options != null && !TlsCertificates.vouchedFor(options, name()) ? "-k " : "")
                + url()
                + path
                + (needsKey ? " -H \"Authorization: Bearer $APUS_API_KEY\"" : "")
                + " -H 'Content-Type: application/json' -d '"
                + body
                + "'";
    }
}
