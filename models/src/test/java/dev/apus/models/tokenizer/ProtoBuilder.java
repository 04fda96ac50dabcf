package dev.apus.models.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes Protocol Buffers messages field by field, wrong ones too. */
final class ProtoBuilder {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    ProtoBuilder varint(long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            out.write((int) ((rest & 0x7F) | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
        return this;
    }

    ProtoBuilder number(int field, long value) {
        return varint((long) field << 3).varint(value);
    }

    ProtoBuilder real(int field, float value) {
        varint((long) field << 3 | 5);
        out.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(value)
                .array());
        return this;
    }

    ProtoBuilder bytes(int field, byte[] value) {
        varint((long) field << 3 | 2).varint(value.length);
        out.writeBytes(value);
        return this;
    }

    ProtoBuilder text(int field, String value) {
        return bytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    ProtoBuilder message(int field, ProtoBuilder value) {
        return bytes(field, value.build());
    }

    /** A piece of a SentencePiece model. */
    ProtoBuilder piece(String text, float score, int type) {
        return message(1, new ProtoBuilder().text(1, text).real(2, score).number(3, type));
    }

    byte[] build() {
        return out.toByteArray();
    }
}
