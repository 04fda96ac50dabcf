package dev.apus.loadtest;

import dev.apus.loadtest.faults.FaultKind;
import dev.apus.loadtest.faults.FaultPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that say what goes wrong on purpose. */
final class FaultArgs {
    private static final List<String> HOSTILE = List.of("killed", "slow-reader", "deaf", "half-closed");

    @Option(
            names = "--faults",
            paramLabel = "KIND",
            split = ",",
            description =
                    "What clients do: killed, slow-reader, deaf, half-closed, leaves-early, oversized, malformed, wrong-key,"
                            + " http2-reset, grpc-cancel, grpc-deadline, grpc-whole, whole. Default: hostile the first four, soak all")
    private List<String> kinds = new ArrayList<>();

    @Option(
            names = "--fault-clients",
            paramLabel = "N",
            defaultValue = "4",
            description = "Clients that do so at a time. Default: ${DEFAULT-VALUE}")
    private int clients;

    @Option(
            names = "--rotate-keys",
            paramLabel = "FILE",
            description = "soak: the server's --api-keys-file; a key is put into it, and changed all the time.")
    private @Nullable Path keysFile;

    @Option(
            names = "--rotate-cert",
            paramLabel = "FILE",
            description = "soak: the server's --ssl-certfile with certificate and key, which are changed all the time.")
    private @Nullable Path certFile;

    @Option(
            names = "--rotate-every",
            paramLabel = "TIME",
            defaultValue = "60s",
            converter = Seconds.class,
            description = "Time from a change to the next. Default: ${DEFAULT-VALUE}")
    private int everySeconds;

    @Option(
            names = "--metrics-key",
            paramLabel = "KEY",
            description = "Key for /metrics, with the role monitor. Default: the first of --api-key")
    private @Nullable String metricsKey;

    @Nullable
    Path keysFile() {
        return keysFile;
    }

    @Nullable
    Path certFile() {
        return certFile;
    }

    FaultPlan plan(Scenario scenario, @Nullable Path keys, @Nullable Path cert, long serverPid) {
        List<String> usual = scenario == Scenario.SOAK ? FaultKind.labels() : HOSTILE;
        List<String> all = kinds.isEmpty() ? usual : List.copyOf(kinds);
        all.forEach(FaultKind::of);
        if (clients < 1) {
            throw new IllegalArgumentException("--fault-clients is " + clients + ", must be 1 or more");
        }
        return new FaultPlan(
                all,
                clients,
                keys == null ? null : keys.toAbsolutePath().toString(),
                cert == null ? null : cert.toAbsolutePath().toString(),
                Math.max(1, everySeconds),
                metricsKey,
                serverPid);
    }
}
