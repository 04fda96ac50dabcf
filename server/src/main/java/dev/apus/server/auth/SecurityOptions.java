package dev.apus.server.auth;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How the server is guarded.
 *
 * @param keys keys of the command line or the environment, by their hashes
 * @param keysFile a file with more of them, or null
 * @param keysReload how often it is looked at; a change counts once it was seen twice
 * @param isolatePrefixCache whether tenants share no entries of the prefix cache: else one could tell by the time to a first token what
 *     another has asked
 */
public record SecurityOptions(
        List<ApiKey> keys, @Nullable Path keysFile, Duration keysReload, boolean isolatePrefixCache) {
    private static final Duration RELOAD = Duration.ofMillis(500);

    /** No keys: whoever reaches the server may use it. */
    public static final SecurityOptions NONE = new SecurityOptions(List.of());

    public SecurityOptions {
        keys = List.copyOf(keys);
        if (keysReload.isNegative() || keysReload.isZero()) {
            throw new IllegalArgumentException("keysReload is " + keysReload + ", must be above 0");
        }
    }

    /** Guarded by these keys alone. */
    public SecurityOptions(List<ApiKey> keys) {
        this(keys, null, RELOAD, false);
    }

    /** With a file of keys. */
    public SecurityOptions withKeysFile(@Nullable Path file) {
        return new SecurityOptions(keys, file, keysReload, isolatePrefixCache);
    }

    /** With a file that is looked at so often. */
    public SecurityOptions withKeysReload(Duration interval) {
        return new SecurityOptions(keys, keysFile, interval, isolatePrefixCache);
    }

    /** With the prefix cache apart for each tenant, or in common. */
    public SecurityOptions withIsolatedPrefixCache(boolean isolate) {
        return new SecurityOptions(keys, keysFile, keysReload, isolate);
    }

    /**
     * Keys given in the clear.
     *
     * @param inference keys that may use the models and read the metrics
     * @param admin keys that may do everything
     * @throws IllegalArgumentException if one cannot be a key
     */
    public static List<ApiKey> keys(List<String> inference, List<String> admin) {
        List<ApiKey> keys = new ArrayList<>();
        for (int i = 0; i < inference.size(); i++) {
            keys.add(ApiKey.ofSecret(
                    inference.get(i), Principal.of("api-key-" + (i + 1), Role.INFERENCE, Role.MONITOR)));
        }
        for (int i = 0; i < admin.size(); i++) {
            keys.add(ApiKey.ofSecret(admin.get(i), Principal.of("admin-api-key-" + (i + 1), Role.ADMIN)));
        }
        return keys;
    }
}
