package dev.apus.models.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Reads the fields of a Protocol Buffers message in their order. Every length is checked against the message around it; nothing is
 * copied or allocated by what a length claims. Groups, which were never used here, are refused.
 */
final class ProtoReader {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;
    /** A varint of 64 bits has at most ten bytes of seven. */
    private static final int MAX_VARINT_BITS = 70;

    private final String source;
    private final ByteBuffer in;
    /** Where the message starts in the file, for messages. */
    private final int origin;

    private int type;
    private long number;
    private ByteBuffer bytes;

    ProtoReader(String source, byte[] message) {
        this(source, ByteBuffer.wrap(message), 0);
    }

    private ProtoReader(String source, ByteBuffer in, int origin) {
        this.source = source;
        this.in = in.order(ByteOrder.LITTLE_ENDIAN);
        this.origin = origin;
        this.bytes = in;
    }

    /** Goes to the next field and returns its number, or 0 at the end. */
    int next() {
        if (!in.hasRemaining()) {
            return 0;
        }
        long tag = varint();
        long field = tag >>> 3;
        type = (int) (tag & 7);
        if (field < 1 || field > Integer.MAX_VALUE) {
            throw fault("has a field with the number " + field);
        }
        switch (type) {
            case VARINT -> number = varint();
            case FIXED64 -> need(Long.BYTES);
            case FIXED32 -> need(Integer.BYTES);
            case BYTES -> {
                long length = varint();
                if (length < 0 || length > in.remaining()) {
                    throw fault("has a field of " + Long.toUnsignedString(length) + " bytes where " + in.remaining()
                            + " are left");
                }
                bytes = in.slice(in.position(), (int) length);
                in.position(in.position() + (int) length);
            }
            default -> throw fault("has a field of wire type " + type + "; known are 0, 1, 2 and 5");
        }
        return (int) field;
    }

    private void need(int length) {
        if (in.remaining() < length) {
            throw fault("ends within a number");
        }
        number = length == Long.BYTES ? in.getLong() : in.getInt();
    }

    private long varint() {
        long value = 0;
        for (int shift = 0; shift < MAX_VARINT_BITS; shift += 7) {
            if (!in.hasRemaining()) {
                throw fault("ends within a number");
            }
            byte b = in.get();
            value |= (long) (b & 0x7F) << shift;
            if (b >= 0) {
                return value;
            }
        }
        throw fault("has a number of more than ten bytes");
    }

    /** The field's value as an int32, enum or bool. */
    int number() {
        expect(VARINT);
        return (int) number;
    }

    boolean flag() {
        expect(VARINT);
        return number != 0;
    }

    float real() {
        expect(FIXED32);
        return Float.intBitsToFloat((int) number);
    }

    byte[] bytes() {
        expect(BYTES);
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(bytes.position(), copy);
        return copy;
    }

    String text() {
        expect(BYTES);
        @Nullable String text = DecodeStep.strictUtf8(bytes);
        if (text == null) {
            throw fault("has a text that is not UTF-8");
        }
        return text;
    }

    /** A reader of the field's value, which is a message. */
    ProtoReader message() {
        expect(BYTES);
        return new ProtoReader(source, bytes.slice(), origin + in.position() - bytes.remaining());
    }

    private void expect(int wanted) {
        if (type != wanted) {
            throw fault("has a field of wire type " + type + " where " + wanted + " was to be expected");
        }
    }

    /** What is wrong with the file, near where reading stands. */
    TokenizerException fault(String what) {
        return new TokenizerException(source + ": not a SentencePiece model, or damaged: the file " + what
                + " (near byte " + (origin + in.position()) + ")");
    }
}
