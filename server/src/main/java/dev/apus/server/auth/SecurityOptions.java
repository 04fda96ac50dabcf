package dev.apus.server.auth;

import java.util.ArrayList;
import java.util.List;

/**
 * How the server is guarded.
 *
 * @param keys keys of the command line or the environment, by their hashes
 */
public record SecurityOptions(List<ApiKey> keys) {
    /** No keys: whoever reaches the server may use it. */
    public static final SecurityOptions NONE = new SecurityOptions(List.of());

    public SecurityOptions {
        keys = List.copyOf(keys);
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
        for (String secret : inference) {
            keys.add(ApiKey.ofSecret(
                    secret, Principal.of("api-key-" + (keys.size() + 1), Role.INFERENCE, Role.MONITOR)));
        }
        for (int i = 0; i < admin.size(); i++) {
            keys.add(ApiKey.ofSecret(admin.get(i), Principal.of("admin-api-key-" + (i + 1), Role.ADMIN)));
        }
        return keys;
    }
}
