package dev.apus.server.grpc;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.WireFormat;
import java.io.IOException;

/**
 * What a message takes of the heap when it is parsed, beside its bytes: two bytes on the wire may be an object with all its fields. Found by
 * one pass over the bytes with the message's descriptor, before anything is made of them. Fields that the descriptor does not know cost
 * nothing, since the parser drops them. Figures are estimates from above and include the JSON that parameters become.
 */
final class MessageWeight {
    /** A message, its builder while it is parsed, its place in a list, and the map of names and values that it becomes. */
    private static final int PER_MESSAGE = 384;
    /** A field of a message that is there or not, in the message and in its builder. */
    private static final int PER_FIELD = 16;
    /** A string without its characters, its place in a list, and the value that it becomes. */
    private static final int PER_TEXT = 160;
    /** A number in a list, and the value that it becomes. */
    private static final int PER_NUMBER = 48;

    /** As deep as the parser goes. */
    private static final int MOST_DEPTH = 100;

    private final byte[] bytes;

    private MessageWeight(byte[] bytes) {
        this.bytes = bytes;
    }

    /** Bytes of heap of the message; of one that is broken those of its beginning, as far as it can be parsed. */
    static long of(Descriptor type, byte[] bytes) {
        return new MessageWeight(bytes).message(type, 0, bytes.length, 0);
    }

    private long message(Descriptor type, int from, int to, int depth) {
        long weight = PER_MESSAGE + (long) PER_FIELD * type.getFields().size();
        if (depth > MOST_DEPTH) {
            // The parser gives up there.
            return weight;
        }
        CodedInputStream in = CodedInputStream.newInstance(bytes, from, to - from);
        try {
            for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
                FieldDescriptor field = type.findFieldByNumber(WireFormat.getTagFieldNumber(tag));
                boolean lengthy = WireFormat.getTagWireType(tag) == WireFormat.WIRETYPE_LENGTH_DELIMITED;
                if (field == null) {
                    in.skipField(tag);
                } else if (lengthy) {
                    int length = in.readRawVarint32();
                    int begin = from + in.getTotalBytesRead();
                    if (length < 0 || length > to - begin) {
                        // Cut short: what is there of it is parsed all the same.
                        return weight + lengthy(field, begin, to, depth);
                    }
                    weight += lengthy(field, begin, begin + length, depth);
                    in.skipRawBytes(length);
                } else {
                    weight += field.isRepeated() ? PER_NUMBER : 0;
                    in.skipField(tag);
                }
            }
        } catch (IOException e) {
            // The parser will say so; it stops here, too.
            return weight;
        }
        return weight;
    }

    private long lengthy(FieldDescriptor field, int from, int to, int depth) {
        if (field.getJavaType() == JavaType.MESSAGE) {
            return message(field.getMessageType(), from, to, depth + 1);
        }
        if (field.getJavaType() == JavaType.STRING || field.getJavaType() == JavaType.BYTE_STRING) {
            return PER_TEXT;
        }
        return (long) PER_NUMBER * numbers(field, from, to);
    }

    /** How many numbers are packed into these bytes. */
    private long numbers(FieldDescriptor field, int from, int to) {
        return switch (field.getType()) {
            case FIXED32, SFIXED32, FLOAT -> (to - from) / Integer.BYTES;
            case FIXED64, SFIXED64, DOUBLE -> (to - from) / Long.BYTES;
            default -> {
                long count = 0;
                for (int i = from; i < to; i++) {
                    // A number's last byte has no sign.
                    count += bytes[i] >= 0 ? 1 : 0;
                }
                yield count;
            }
        };
    }
}
