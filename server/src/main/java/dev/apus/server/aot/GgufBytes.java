package dev.apus.server.aot;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Bytes of a GGUF file in the making. */
final class GgufBytes {
    static final int UINT32 = 4;
    static final int INT32 = 5;
    static final int FLOAT32 = 6;
    static final int STRING = 8;
    static final int ARRAY = 9;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private int keys;

    /** Metadata keys written so far. */
    int keys() {
        return keys;
    }

    int size() {
        return out.size();
    }

    byte[] toBytes() {
        return out.toByteArray();
    }

    void raw(byte[] bytes) {
        out.writeBytes(bytes);
    }

    void int32(int value) {
        raw(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    }

    void int64(long value) {
        raw(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    void string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        int64(utf8.length);
        raw(utf8);
    }

    void key(String name, String value) {
        typed(name, STRING);
        string(value);
    }

    void key(String name, int value) {
        typed(name, UINT32);
        int32(value);
    }

    void key(String name, float value) {
        typed(name, FLOAT32);
        int32(Float.floatToIntBits(value));
    }

    /** The head of an array; its elements follow. */
    void array(String name, int elementType, int length) {
        typed(name, ARRAY);
        int32(elementType);
        int64(length);
    }

    private void typed(String name, int type) {
        string(name);
        int32(type);
        keys++;
    }
}
