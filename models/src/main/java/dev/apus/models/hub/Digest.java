package dev.apus.models.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The hash that a hub announces for a file's content.
 *
 * @param kind how it is computed
 * @param hex its value in lower case
 */
record Digest(Kind kind, String hex) {
    private static final Pattern SHA256 = Pattern.compile("[0-9a-fA-F]{64}");
    private static final Pattern SHA1 = Pattern.compile("[0-9a-fA-F]{40}");

    /** How a hash is computed. */
    enum Kind {
        /** SHA-256 of the content: Git LFS's object id. */
        SHA256,
        /** SHA-1 of {@code "blob <size>\0"} and the content: Git's object id. */
        GIT_SHA1
    }

    /** The hash that {@code text} is by its length, or null if it is none. */
    static @Nullable Digest of(@Nullable String text) {
        if (text == null) {
            return null;
        }
        String hex = text.toLowerCase(Locale.ROOT);
        if (SHA256.matcher(hex).matches()) {
            return new Digest(Kind.SHA256, hex);
        }
        return SHA1.matcher(hex).matches() ? new Digest(Kind.GIT_SHA1, hex) : null;
    }

    /** The same kind of hash of a file's content, as hex. */
    String compute(Path file) throws IOException {
        MessageDigest digest = algorithm();
        if (kind == Kind.GIT_SHA1) {
            digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
        }
        byte[] buffer = new byte[1 << 18];
        try (InputStream in = Files.newInputStream(file)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private MessageDigest algorithm() {
        try {
            return MessageDigest.getInstance(kind == Kind.SHA256 ? "SHA-256" : "SHA-1");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256 and SHA-1", e);
        }
    }
}
