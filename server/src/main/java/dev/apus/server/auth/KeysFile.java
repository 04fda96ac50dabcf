package dev.apus.server.auth;

import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What a file of keys holds; {@link KeysText} reads and writes it.
 *
 * @param entries the keys in their order, by their hashes
 * @param tenants terms of tenants; those that are not named have the usual ones
 */
public record KeysFile(List<Entry> entries, Map<String, Terms> tenants) {
    /**
     * A key as the file tells it.
     *
     * @param name unique in the file
     * @param sha256 the key's hash, see {@link ApiKey#hash}
     * @param tenant whose it is
     * @param roles what it may do
     * @param models which models it may use; empty means all
     * @param created when it was made, if told
     * @param expires when it ceases to be valid, or null
     * @param disabled whether it is out of use
     */
    public record Entry(
            String name,
            String sha256,
            String tenant,
            Set<Role> roles,
            Set<String> models,
            @Nullable Instant created,
            @Nullable Instant expires,
            boolean disabled) {
        public Entry {
            roles = Set.copyOf(roles);
            models = Set.copyOf(models);
            key(name, sha256, tenant, roles, models, Terms.USUAL, created, expires, disabled);
        }

        private ApiKey key(Terms terms) {
            return key(name, sha256, tenant, roles, models, terms, created, expires, disabled);
        }

        // What the key itself refuses is refused here.
        private static ApiKey key(
                String name,
                String sha256,
                String tenant,
                Set<Role> roles,
                Set<String> models,
                Terms terms,
                @Nullable Instant created,
                @Nullable Instant expires,
                boolean disabled) {
            Principal principal = new Principal(name, tenant, roles, models, terms);
            return new ApiKey(sha256, principal, created, expires, disabled);
        }
    }

    /** A file without keys. */
    public static final KeysFile EMPTY = new KeysFile(List.of(), Map.of());

    public KeysFile {
        entries = List.copyOf(entries);
        tenants = Map.copyOf(tenants);
        Set<String> names = new HashSet<>();
        for (Entry entry : entries) {
            if (!names.add(entry.name)) {
                throw new IllegalArgumentException("the key '" + entry.name + "' is there twice");
            }
        }
        tenants.keySet().forEach(name -> Principal.requireName("the name of a tenant", name));
    }

    /** The keys with their tenants' terms. */
    public List<ApiKey> keys() {
        return entries.stream()
                .map(entry -> entry.key(tenants.getOrDefault(entry.tenant, Terms.USUAL)))
                .toList();
    }

    /** With one key more. @throws IllegalArgumentException if there is one of that name */
    public KeysFile with(Entry entry) {
        List<Entry> more = new ArrayList<>(entries);
        more.add(entry);
        return new KeysFile(more, tenants);
    }

    /** With terms for a tenant. */
    public KeysFile with(String tenant, Terms terms) {
        Map<String, Terms> more = new TreeMap<>(tenants);
        more.put(tenant, terms);
        return new KeysFile(entries, more);
    }

    /** With a key out of use; its name stays taken. @throws IllegalArgumentException if there is none of that name */
    public KeysFile revoked(String name) {
        if (entries.stream().noneMatch(entry -> entry.name.equals(name))) {
            throw new IllegalArgumentException("there is no key '" + name + "'; there are "
                    + entries.stream().map(Entry::name).toList());
        }
        return new KeysFile(
                entries.stream()
                        .map(entry -> entry.name.equals(name) ? disabled(entry) : entry)
                        .toList(),
                tenants);
    }

    private static Entry disabled(Entry e) {
        return new Entry(e.name, e.sha256, e.tenant, e.roles, e.models, e.created, e.expires, true);
    }
}
