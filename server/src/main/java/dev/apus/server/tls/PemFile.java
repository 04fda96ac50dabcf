package dev.apus.server.tls;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A PEM file as it was read (RFC 7468). */
final class PemFile {
    /** A certificate bundle has hundreds of kilobytes. */
    private static final long MOST_BYTES = 8 << 20;

    private static final Pattern BLOCK =
            Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \\1-----", Pattern.DOTALL);

    private record Block(String label, String text) {}

    private final Path path;
    private final String what;
    private final List<Block> blocks = new ArrayList<>();
    private final byte[] content;

    /**
     * @param what what the file is for, in messages
     * @throws IllegalArgumentException if it cannot be read
     */
    PemFile(Path path, String what) {
        this.path = path;
        this.what = what;
        try {
            if (Files.size(path) > MOST_BYTES) {
                throw wrong("is larger than " + MOST_BYTES + " bytes, it cannot be a PEM file");
            }
            content = Files.readAllBytes(path);
        } catch (NoSuchFileException e) {
            throw new IllegalArgumentException(what + " " + path + " does not exist", e);
        } catch (IOException e) {
            throw new IllegalArgumentException(what + " " + path + " cannot be read: " + e, e);
        }
        Matcher matcher = BLOCK.matcher(new String(content, StandardCharsets.ISO_8859_1));
        while (matcher.find()) {
            blocks.add(new Block(matcher.group(1), matcher.group(2)));
        }
    }

    byte[] content() {
        return content;
    }

    /** @throws IllegalArgumentException if there is none, or one that is not well-formed */
    List<X509Certificate> certificates() {
        List<X509Certificate> certificates = new ArrayList<>();
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Block block : blocks) {
                if (block.label.equals("CERTIFICATE")) {
                    certificates.add(
                            (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der(block))));
                }
            }
        } catch (CertificateException e) {
            throw new IllegalArgumentException(what + " " + path + " holds a certificate that is broken: " + e, e);
        }
        if (certificates.isEmpty()) {
            throw wrong("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
        }
        return certificates;
    }

    /** @throws IllegalArgumentException if there is none, or it is encrypted or of a kind that is not known */
    PrivateKey key() {
        for (Block block : blocks) {
            if (block.label.equals("ENCRYPTED PRIVATE KEY") || block.text.contains("ENCRYPTED")) {
                throw wrong("is encrypted, and this server asks for no password; decrypt it with"
                        + " 'openssl pkey -in FILE -out NEW' and let only the server read it");
            }
            try {
                switch (block.label) {
                    case "PRIVATE KEY" -> {
                        return PrivateKeys.ofPkcs8(der(block));
                    }
                    case "RSA PRIVATE KEY" -> {
                        return PrivateKeys.ofPkcs1(der(block));
                    }
                    case "EC PRIVATE KEY" -> {
                        return PrivateKeys.ofSec1(der(block));
                    }
                    default -> {
                        // A certificate, or parameters that the key repeats.
                    }
                }
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(what + " " + path + ": " + e.getMessage(), e);
            }
        }
        throw wrong("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
    }

    private byte[] der(Block block) {
        try {
            return Base64.getMimeDecoder().decode(block.text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(what + " " + path + " is not well-formed: " + e.getMessage(), e);
        }
    }

    private IllegalArgumentException wrong(String how) {
        return new IllegalArgumentException(what + " " + path + " " + how);
    }
}
