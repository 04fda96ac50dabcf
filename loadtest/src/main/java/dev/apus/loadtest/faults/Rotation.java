package dev.apus.loadtest.faults;

import dev.apus.loadtest.ApiClient;
import dev.apus.loadtest.Target;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.concurrent.Callable;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Changes keys and certificates under a running server, and holds it to what it promises: a new key works within seconds, a revoked one ceases
 * to, a new certificate is shown to new connections.
 */
final class Rotation implements Runnable {
    /** A file of keys is looked at twice a second, a certificate each five, both taken at the second look; a busy machine needs longer. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** Requests that have read the old key are on their way by then. */
    private static final Duration OVERLAP = Duration.ofSeconds(3);

    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(250);
    private static final int OK = 200;
    private static final int UNAUTHORIZED = 401;

    private final Target target;
    private final FaultPlan plan;
    private final Keys keys;
    private final Outcomes outcomes;
    private KeysFile.@Nullable Key last;

    Rotation(Target target, FaultPlan plan, Keys keys, Outcomes outcomes) {
        this.target = target;
        this.plan = plan;
        this.keys = keys;
        this.outcomes = outcomes;
    }

    /** Until it is interrupted. */
    @Override
    public void run() {
        try (ApiClient client = new ApiClient(target)) {
            while (true) {
                Thread.sleep(Duration.ofSeconds(plan.everySeconds()));
                if (plan.keysFile() != null) {
                    attempt("key rotation", () -> rotateKeys(client, Path.of(plan.keysFile())));
                }
                if (plan.certFile() != null) {
                    attempt("TLS reload", () -> rotateCertificate(Path.of(plan.certFile())));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the end of the run
        }
    }

    private void attempt(String kind, Callable<String> action) throws InterruptedException {
        try {
            outcomes.expected(kind, action.call());
        } catch (InterruptedException e) {
            throw e;
        } catch (Exception e) {
            outcomes.unexpected(kind, e.toString());
        }
    }

    private String rotateKeys(ApiClient client, Path path) throws IOException, InterruptedException {
        KeysFile file = new KeysFile(path);
        KeysFile.Key next = file.add();
        await("a new key is not taken", () -> status(client, next.secret()) == OK);
        keys.set(next.secret());
        KeysFile.Key old = last;
        last = next;
        if (old == null) {
            return "a new key is taken";
        }
        Thread.sleep(OVERLAP);
        file.remove(old);
        await("a revoked key still works", () -> status(client, old.secret()) == UNAUTHORIZED);
        return "a new key is taken, the old one refused";
    }

    private static int status(ApiClient client, String key) throws IOException, InterruptedException {
        return client.get("/v1/models", key).statusCode();
    }

    private String rotateCertificate(Path path) throws IOException, InterruptedException {
        BigInteger serial = new CertFile(path).renew();
        await("a new certificate is not shown", () -> shown().equals(serial));
        return "the new certificate is shown";
    }

    private BigInteger shown() throws IOException {
        try (SSLSocket socket = (SSLSocket) RawHttp.connect(target)) {
            socket.startHandshake();
            return ((X509Certificate) socket.getSession().getPeerCertificates()[0]).getSerialNumber();
        }
    }

    private static void await(String otherwise, Callable<Boolean> condition) throws IOException, InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                if (condition.call()) {
                    return;
                }
            } catch (IOException | InterruptedException e) {
                throw e;
            } catch (Exception e) {
                throw new IOException(e);
            }
            if (System.nanoTime() > end) {
                throw new IOException(otherwise + " after " + PATIENCE.toSeconds() + " s");
            }
            Thread.sleep(BETWEEN_LOOKS);
        }
    }
}
