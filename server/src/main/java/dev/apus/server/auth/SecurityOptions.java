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
 * @param admin where alone the administrator's orders are taken; null for where all else is
 */
public record SecurityOptions(
        List<ApiKey> keys,
        @Nullable Path keysFile,
        Duration keysReload,
        boolean isolatePrefixCache,
        @Nullable Address admin) {
    /**
     * Where to listen.
     *
     * @param host name or address
     * @param port TCP port; 0 takes a free one
     */
    public record Address(String host, int port) {
        public Address {
            if (port < 0 || port > 65535) {
                throw new IllegalArgumentException("adminPort is " + port + ", must be 0 (any free one) to 65535");
            }
        }
    }

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
        this(keys, null, RELOAD, false, null);
    }

    /** With a file of keys. */
    public SecurityOptions withKeysFile(@Nullable Path file) {
        return new SecurityOptions(keys, file, keysReload, isolatePrefixCache, admin);
    }

    /** With a file that is looked at so often. */
    public SecurityOptions withKeysReload(Duration interval) {
        return new SecurityOptions(keys, keysFile, interval, isolatePrefixCache, admin);
    }

    /** With the prefix cache apart for each tenant, or in common. */
    public SecurityOptions withIsolatedPrefixCache(boolean isolate) {
        return new SecurityOptions(keys, keysFile, keysReload, isolate, admin);
    }

    /** With the administrator's orders taken there alone. */
    public SecurityOptions withAdmin(@Nullable Address address) {
        return new SecurityOptions(keys, keysFile, keysReload, isolatePrefixCache, address);
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
