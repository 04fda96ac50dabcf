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
 * @param weight the tenant's share of the engine in relation to others', above 0; 1 is usual
 * @param kvShare most of the KV cache that the tenant may hold, above 0 to 1
 * @param quota the tenant's limits
 */
public record Principal(
        String key, String tenant, Set<Role> roles, Set<String> models, double weight, double kvShare, Quota quota) {
    /** Names are shown in logs, headers and metrics. */
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._:/@+=-]{1,128}");

    /** The tenant of all who come without a key or with one of the command line's. */
    public static final String DEFAULT_TENANT = "default";

    public Principal {
        roles = Set.copyOf(roles);
        models = Set.copyOf(models);
        requireName("name", key);
        requireName("tenant", tenant);
        if (!(weight > 0 && weight <= 1e6)) {
            throw new IllegalArgumentException("weight is " + weight + ", must be above 0, at most 1000000");
        }
        if (!(kvShare > 0 && kvShare <= 1)) {
            throw new IllegalArgumentException("kv_share is " + kvShare + ", must be above 0, at most 1");
        }
    }

    /** One of the default tenant, without limits. */
    public static Principal of(String key, Role... roles) {
        return new Principal(key, DEFAULT_TENANT, Set.of(roles), Set.of(), 1, 1, Quota.NONE);
    }

    /** Whether it has the role or one that includes it. */
    public boolean has(Role role) {
        return roles.contains(role) || roles.contains(Role.ADMIN);
    }

    /** Whether it may use the model of that name. */
    public boolean mayUse(String model) {
        return models.isEmpty() || models.contains(model);
    }

    private static void requireName(String what, String name) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    what + " must have 1 to 128 characters out of letters, digits and ._:/@+=-");
        }
    }
}
