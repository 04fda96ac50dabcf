package dev.apus.loaders;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes GGUF bytes field by field, right or wrong. */
final class GgufBytes {
    static final int F32 = 0;
    static final int Q4_0 = 2;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** Magic, version 3 and the two counts. */
    static GgufBytes header(long tensors, long keys) {
        return new GgufBytes().bytes("GGUF").int32(3).int64(tensors).int64(keys);
    }

    GgufBytes bytes(String latin1) {
        out.writeBytes(latin1.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    GgufBytes int32(int value) {
        out.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
        return this;
    }

    GgufBytes int64(long value) {
        out.writeBytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array());
        return this;
    }

    GgufBytes string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        int64(utf8.length);
        out.writeBytes(utf8);
        return this;
    }

    GgufBytes key(String key, String value) {
        return string(key).int32(GgufValues.STRING).string(value);
    }

    GgufBytes key(String key, int uint32) {
        return string(key).int32(GgufValues.UINT32).int32(uint32);
    }

    /** A tensor info; {@code extents} innermost first. */
    GgufBytes tensor(String name, int type, long offset, long... extents) {
        string(name).int32(extents.length);
        for (long extent : extents) {
            int64(extent);
        }
        return int32(type).int64(offset);
    }

    /** Zeros up to a multiple of 32, then {@code n} zeros. */
    GgufBytes data(int n) {
        int padding = -out.size() & 31;
        out.writeBytes(new byte[padding + n]);
        return this;
    }

    byte[] toBytes() {
        return out.toByteArray();
    }

    Path write(Path folder) {
        return write(folder, "test.gguf", toBytes());
    }

    static Path write(Path folder, String name, byte[] bytes) {
        try {
            return Files.write(folder.resolve(name), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
