package dev.apus.server.tls;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;

/** Private keys from their DER forms. Java reads PKCS #8 (RFC 5958); the older forms are put into it. */
final class PrivateKeys {
    private static final int INTEGER = 0x02;
    private static final int OCTET_STRING = 0x04;
    private static final int OBJECT_ID = 0x06;
    private static final int SEQUENCE = 0x30;
    /** The curve in an elliptic key (RFC 5915). */
    private static final int PARAMETERS = 0xa0;

    private static final byte[] VERSION_0 = {INTEGER, 1, 0};
    /** rsaEncryption, 1.2.840.113549.1.1.1, with NULL. */
    private static final byte[] RSA = {
        OBJECT_ID, 9, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 1, 1, 1, 5, 0
    };
    /** id-ecPublicKey, 1.2.840.10045.2.1. */
    private static final byte[] EC = {OBJECT_ID, 7, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 2, 1};

    private static final List<String> ALGORITHMS = List.of("RSA", "EC", "EdDSA");

    private PrivateKeys() {}

    /** @throws IllegalArgumentException if it is not well-formed or of a kind that Java does not know */
    static PrivateKey ofPkcs8(byte[] der) {
        for (String algorithm : ALGORITHMS) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
            } catch (InvalidKeySpecException e) {
                // Another algorithm's, or nobody's.
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException(e);
            }
        }
        throw new IllegalArgumentException("the private key is broken or of none of the kinds " + ALGORITHMS);
    }

    /** An RSA key in its own form, as {@code openssl genrsa -traditional} and cert-manager write it. */
    static PrivateKey ofPkcs1(byte[] der) {
        return ofPkcs8(tagged(SEQUENCE, VERSION_0, tagged(SEQUENCE, RSA), tagged(OCTET_STRING, der)));
    }

    /** A key on an elliptic curve in its own form (RFC 5915), as {@code openssl ecparam -genkey} writes it. */
    static PrivateKey ofSec1(byte[] der) {
        byte[] curve;
        try {
            curve = curve(ByteBuffer.wrap(der));
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "the private key is broken or names no curve; write it anew with"
                            + " 'openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW'",
                    e);
        }
        return ofPkcs8(tagged(SEQUENCE, VERSION_0, tagged(SEQUENCE, EC, curve), tagged(OCTET_STRING, der)));
    }

    private static byte[] curve(ByteBuffer key) {
        ByteBuffer fields = value(key);
        while (fields.hasRemaining()) {
            int tag = fields.get(fields.position()) & 0xff;
            ByteBuffer field = value(fields);
            if (tag == PARAMETERS) {
                byte[] curve = new byte[field.remaining()];
                field.get(curve);
                return curve;
            }
        }
        throw new IllegalArgumentException("there is no curve");
    }

    /** The value of the element at the buffer's position, which moves behind it. */
    private static ByteBuffer value(ByteBuffer from) {
        from.get();
        int length = from.get() & 0xff;
        if (length >= 0x80) {
            int bytes = length & 0x7f;
            length = 0;
            for (int i = 0; i < bytes; i++) {
                length = (length << 8) | (from.get() & 0xff);
            }
        }
        if (length < 0 || length > from.remaining()) {
            throw new IllegalArgumentException("an element of " + length + " bytes does not fit");
        }
        ByteBuffer value = from.slice(from.position(), length);
        from.position(from.position() + length);
        return value;
    }

    private static byte[] tagged(int tag, byte[]... parts) {
        int length = 0;
        for (byte[] part : parts) {
            length += part.length;
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        if (length < 0x80) {
            out.write(length);
        } else {
            out.write(0x82);
            out.write(length >> 8);
            out.write(length);
        }
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    /** Whether the two belong together: what the one signs the other verifies. */
    static boolean match(PrivateKey key, PublicKey other) {
        String algorithm =
                switch (key.getAlgorithm()) {
                    case "RSA" -> "SHA256withRSA";
                    case "EC" -> "SHA256withECDSA";
                    default -> key.getAlgorithm();
                };
        try {
            Signature signature = Signature.getInstance(algorithm);
            signature.initSign(key);
            signature.update(VERSION_0);
            byte[] signed = signature.sign();
            signature.initVerify(other);
            signature.update(VERSION_0);
            return signature.verify(signed);
        } catch (GeneralSecurityException e) {
            // Keys of different kinds.
            return false;
        }
    }
}
