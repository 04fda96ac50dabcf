package dev.apus.loaders;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.RandomAccess;
import org.jspecify.annotations.Nullable;

/** The value types of GGUF metadata and the lists that arrays of them become. */
final class GgufValues {
    static final int UINT8 = 0;
    static final int INT8 = 1;
    static final int UINT16 = 2;
    static final int INT16 = 3;
    static final int UINT32 = 4;
    static final int INT32 = 5;
    static final int FLOAT32 = 6;
    static final int BOOL = 7;
    static final int STRING = 8;
    static final int ARRAY = 9;
    static final int UINT64 = 10;
    static final int INT64 = 11;
    static final int FLOAT64 = 12;

    private GgufValues() {}

    /** Bytes of one value of a plain type; 0 for strings, arrays and unknown types. */
    static int width(int type) {
        return switch (type) {
            case UINT8, INT8, BOOL -> 1;
            case UINT16, INT16 -> 2;
            case UINT32, INT32, FLOAT32 -> 4;
            case UINT64, INT64, FLOAT64 -> 8;
            default -> 0;
        };
    }

    /** The value of plain type {@code type} at {@code at}: the smallest of Integer and Long that holds the type's range. */
    static Object plain(ByteBuffer bytes, int at, int type) {
        return switch (type) {
            case UINT8 -> Byte.toUnsignedInt(bytes.get(at));
            case INT8 -> (int) bytes.get(at);
            case BOOL -> bytes.get(at) != 0;
            case UINT16 -> Short.toUnsignedInt(bytes.getShort(at));
            case INT16 -> (int) bytes.getShort(at);
            case UINT32 -> Integer.toUnsignedLong(bytes.getInt(at));
            case INT32 -> bytes.getInt(at);
            case FLOAT32 -> bytes.getFloat(at);
            case UINT64, INT64 -> bytes.getLong(at);
            case FLOAT64 -> bytes.getDouble(at);
            default -> throw new IllegalArgumentException("value type " + type + " is not plain");
        };
    }

    /** {@code length} bytes as text, or null if they are not UTF-8. */
    static @Nullable String utf8(byte[] bytes, int at, int length) {
        String text = new String(bytes, at, length, StandardCharsets.UTF_8);
        if (text.indexOf('\uFFFD') < 0) {
            return text;
        }
        try { // the replacement character itself may be in the text: decode again, strictly
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes, at, length))
                    .toString();
        } catch (CharacterCodingException _) {
            return null;
        }
    }

    /** An array of plain values, kept as the file's bytes (on the heap, so it outlives the mapping) and boxed on access. */
    static final class PlainList extends AbstractList<Object> implements RandomAccess {
        private final ByteBuffer bytes;
        private final int type;
        private final int width;

        PlainList(byte[] bytes, int type) {
            this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            this.type = type;
            this.width = width(type);
        }

        @Override
        public Object get(int index) {
            return plain(bytes, Math.multiplyExact(index, width), type);
        }

        @Override
        public int size() {
            return bytes.capacity() / width;
        }
    }

    /**
     * An array of strings, kept as the file's bytes and decoded on access: a vocabulary of 150,000 tokens costs its bytes and one int
     * a token until somebody reads it.
     */
    static final class StringList extends AbstractList<Object> implements RandomAccess {
        private final String where;
        private final byte[] bytes;
        private final int[] starts;

        /**
         * @param where file and key, for the error of a string that is not UTF-8
         * @param starts where each string begins in {@code bytes}, and after the last one the end plus 8 (each string has an 8-byte
         *     length before it)
         */
        StringList(String where, byte[] bytes, int[] starts) {
            this.where = where;
            this.bytes = bytes;
            this.starts = starts;
        }

        @Override
        public Object get(int index) {
            int start = starts[index];
            String text = utf8(bytes, start, starts[index + 1] - 8 - start);
            if (text == null) {
                throw new CheckpointException(where + "[" + index + "] is not UTF-8 text");
            }
            return text;
        }

        @Override
        public int size() {
            return starts.length - 1;
        }
    }
}
