package dev.apus.loadtest.faults;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What goes wrong on purpose.
 *
 * @param kinds of clients that misbehave
 * @param clients that do so at a time
 * @param keysFile file of API keys to change, or null
 * @param certFile PEM file of the server's certificate and key to change, or null
 * @param everySeconds from a change to the next
 * @param metricsKey key for {@code /metrics}, or null
 * @param serverPid process of the server, or 0 if it is not known
 */
public record FaultPlan(
        List<String> kinds,
        int clients,
        @Nullable String keysFile,
        @Nullable String certFile,
        int everySeconds,
        @Nullable String metricsKey,
        long serverPid) {
    public FaultPlan {
        kinds = List.copyOf(kinds);
    }

    /** Nothing does. */
    public static FaultPlan none() {
        return new FaultPlan(List.of(), 0, null, null, 1, null, 0);
    }
}
