package dev.apus.server.auth;

import java.util.Set;
import java.util.regex.Pattern;

/**
 * On whose behalf a request comes: what its key stands for.
 *
 * @param key name of the key, for logs; never the key
 * @param tenant to whom work is accounted, fairly shared between tenants; keys may have it in common
 * @param roles what it may do
 * @param models names of the models that it may use; empty means all
 * @param terms what the tenant may take
 */
public record Principal(String key, String tenant, Set<Role> roles, Set<String> models, Terms terms) {
    /** Names are shown in logs, headers and metrics. */
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._:/@+=-]{1,128}");

    /** What stands for the name of the key of those who come without one; no key is called so. */
    public static final String NO_KEY = "none";

    /** The tenant of all who come without a key or with one of the command line's. */
    public static final String DEFAULT_TENANT = "default";

    public Principal {
        roles = Set.copyOf(roles);
        models = Set.copyOf(models);
        requireName("name", key);
        requireName("tenant", tenant);
    }

    /** One of the default tenant, without limits. */
    public static Principal of(String key, Role... roles) {
        return new Principal(key, DEFAULT_TENANT, Set.of(roles), Set.of(), Terms.USUAL);
    }

    /** Whether it came without a key. */
    public boolean hasNoKey() {
        return key.equals(NO_KEY);
    }

    /** Whether it has the role or one that includes it. */
    public boolean has(Role role) {
        return roles.contains(role) || roles.contains(Role.ADMIN);
    }

    /** Whether it may use the model of that name. */
    public boolean mayUse(String model) {
        return models.isEmpty() || models.contains(model);
    }

    /** @throws IllegalArgumentException if a name of a key or a tenant has characters that it may not have */
    static void requireName(String what, String name) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    what + " must have 1 to 128 characters out of letters, digits and ._:/@+=-");
        }
    }
}
