package dev.apus.server.auth;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A key as the server knows it: by its hash only. Keys that {@link #generate} makes hold 256 random bits, which no list of likely passwords
 * holds, so that one round of SHA-256 is enough.
 *
 * @param sha256 SHA-256 of the key, 64 hexadecimal digits in lower case
 * @param principal what it stands for
 * @param created when it was made, if known
 * @param expires when it ceases to be valid, or null
 * @param disabled whether it is out of use
 */
public record ApiKey(
        String sha256,
        Principal principal,
        @Nullable Instant created,
        @Nullable Instant expires,
        boolean disabled) {
    private static final Pattern HASH = Pattern.compile("[0-9a-f]{64}");
    /** What a header can carry. */
    private static final Pattern SENDABLE = Pattern.compile("[\\x21-\\x7e]{1,1024}");
    /** Tells a key of this server from others in a text; scanners for leaked secrets look for such. */
    private static final String PREFIX = "sk-apus-";

    private static final int RANDOM_BYTES = 32;

    public ApiKey {
        if (!HASH.matcher(sha256).matches()) {
            throw new IllegalArgumentException("sha256 must be 64 hexadecimal digits in lower case");
        }
        if (principal.hasNoKey()) {
            throw new IllegalArgumentException("a key must not be called '" + Principal.NO_KEY
                    + "', which stands for those who come without one; give it another name");
        }
    }

    /**
     * A key given in the clear, of which only the hash is kept.
     *
     * @throws IllegalArgumentException if no client could send it; the message does not hold it
     */
    public static ApiKey ofSecret(String secret, Principal principal) {
        if (!SENDABLE.matcher(secret).matches()) {
            throw new IllegalArgumentException(
                    "an API key must have 1 to 1024 printable ASCII characters without spaces, this one has "
                            + secret.length() + (secret.isEmpty() ? "" : " or others among them"));
        }
        return new ApiKey(hash(secret), principal, null, null, false);
    }

    /** A new key: the only time that it is seen. */
    public static String generate() {
        byte[] bytes = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(bytes);
        return PREFIX + Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /** SHA-256 of a key's UTF-8 bytes in hexadecimal digits. */
    public static String hash(String secret) {
        return HexFormat.of().formatHex(digest().digest(secret.getBytes(StandardCharsets.UTF_8)));
    }

    /** Whether it may be used at that time. */
    public boolean isValid(Instant now) {
        Instant end = expires;
        return !disabled && (end == null || now.isBefore(end));
    }

    static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
