package dev.apus.server.auth;

import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The keys of one moment. Immutable.
 *
 * <p>How long a look-up takes tells nothing of a key: keys are found by a hash that is salted with bytes of this object's alone, so that
 * nobody outside can aim at a bucket, and the last comparison takes the same time wherever the difference is.
 */
public final class KeyRing {
    private static final int SALT_BYTES = 32;

    private final boolean guards;
    private final byte[] salt = new byte[SALT_BYTES];
    private final Map<Long, Entry> entries = new HashMap<>();

    private record Entry(byte[] digest, ApiKey key) {}

    /**
     * @param keys all of them, valid or not
     * @param guards whether one is needed, which there may be none of any more
     * @throws IllegalArgumentException if a key is there twice; the message names the entries, not the key
     */
    public KeyRing(List<ApiKey> keys, boolean guards) {
        this.guards = guards;
        new SecureRandom().nextBytes(salt);
        for (ApiKey key : keys) {
            byte[] digest = salted(key.sha256());
            Entry before = entries.put(bucket(digest), new Entry(digest, key));
            if (before != null) {
                throw new IllegalArgumentException(
                        "the keys '" + before.key.principal().key() + "' and '"
                                + key.principal().key() + "' are the same");
            }
        }
    }

    /** Whether a key is needed. */
    public boolean guards() {
        return guards;
    }

    /** The key that a client has sent, valid or not; null if it is none of these. */
    public @Nullable ApiKey find(String secret) {
        byte[] digest = salted(ApiKey.hash(secret));
        Entry entry = entries.get(bucket(digest));
        return entry != null && MessageDigest.isEqual(entry.digest, digest) ? entry.key : null;
    }

    /**
     * Who may act for a tenant when none of its keys is at hand: the key of that name, else any.
     *
     * @return null if the tenant has no valid key with the role
     */
    public @Nullable Principal actingFor(String tenant, String name, Role role, Instant now) {
        Principal any = null;
        for (Entry entry : entries.values()) {
            Principal principal = entry.key.principal();
            if (principal.tenant().equals(tenant) && principal.has(role) && entry.key.isValid(now)) {
                if (principal.key().equals(name)) {
                    return principal;
                }
                any = principal;
            }
        }
        return any;
    }

    private byte[] salted(String sha256) {
        MessageDigest digest = ApiKey.digest();
        digest.update(salt);
        return digest.digest(HexFormat.of().parseHex(sha256));
    }

    private static long bucket(byte[] digest) {
        long bits = 0;
        for (int i = 0; i < Long.BYTES; i++) {
            bits = bits << 8 | (digest[i] & 0xff);
        }
        return bits;
    }
}
