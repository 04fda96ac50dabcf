package dev.apus.server.grpc;

import io.grpc.Status;
import io.netty.buffer.ByteBuf;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Cuts the bytes of a stream into messages: a flag, a length of four bytes, and so many bytes. A message takes memory as its bytes come, not
 * by what it claims to be. Confined to the stream's event loop.
 */
final class Deframer {
    /**
     * A message as it was sent.
     *
     * @param bytes not to be modified
     * @param compressed whether by the call's encoding
     */
    record Frame(byte[] bytes, boolean compressed) {
        /** For how many bytes memory was taken. */
        int taken() {
            return HEAD + bytes.length;
        }
    }

    private static final int HEAD = 5;

    private final int mostBytes;
    private final boolean mayBeCompressed;
    private final CallAdmission admission;
    private final Consumer<Frame> frames;
    private final byte[] head = new byte[HEAD];
    private int headBytes;
    private byte @Nullable [] message;
    private int messageBytes;
    private int length;

    /**
     * @param mostBytes of a message
     * @param mayBeCompressed whether the call names an encoding
     * @param admission gives messages their memory
     * @param frames takes whole messages
     */
    Deframer(int mostBytes, boolean mayBeCompressed, CallAdmission admission, Consumer<Frame> frames) {
        this.mostBytes = mostBytes;
        this.mayBeCompressed = mayBeCompressed;
        this.admission = admission;
        this.frames = frames;
    }

    /**
     * Takes bytes; their reference count is the caller's.
     *
     * @throws io.grpc.StatusRuntimeException if they are no messages, or one is too long
     */
    void add(ByteBuf bytes) {
        while (bytes.isReadable()) {
            if (message == null) {
                int count = Math.min(HEAD - headBytes, bytes.readableBytes());
                bytes.readBytes(head, headBytes, count);
                headBytes += count;
                if (headBytes < HEAD) {
                    return;
                }
                message = begin(bytes);
            }
            message = take(message, bytes);
            if (messageBytes == length) {
                frames.accept(
                        new Frame(message.length == length ? message : Arrays.copyOf(message, length), head[0] == 1));
                message = null;
                headBytes = 0;
            }
        }
    }

    /** Whether a message has begun and not ended. */
    boolean inMessage() {
        return headBytes > 0;
    }

    private byte[] begin(ByteBuf first) {
        if (head[0] != 0 && !(head[0] == 1 && mayBeCompressed)) {
            throw Status.INTERNAL
                    .withDescription("a message begins with the flag " + (head[0] & 0xff)
                            + (mayBeCompressed ? ", must be 0 or 1" : ", must be 0: the call names no encoding"))
                    .asRuntimeException();
        }
        long claimed = (head[1] & 0xffL) << 24 | (head[2] & 0xff) << 16 | (head[3] & 0xff) << 8 | (head[4] & 0xff);
        if (claimed > mostBytes) {
            throw tooLong(claimed, mostBytes);
        }
        length = (int) claimed;
        admission.take(HEAD);
        messageBytes = 0;
        return new byte[Math.min(length, first.readableBytes())];
    }

    private byte[] take(byte[] into, ByteBuf bytes) {
        int count = Math.min(length - messageBytes, bytes.readableBytes());
        admission.take(count);
        byte[] target = into;
        if (messageBytes + count > target.length) {
            target = Arrays.copyOf(target, (int) Math.min(length, Math.max(messageBytes + count, 2L * target.length)));
        }
        bytes.readBytes(target, messageBytes, count);
        messageBytes += count;
        return target;
    }

    static RuntimeException tooLong(long bytes, int most) {
        return Status.RESOURCE_EXHAUSTED
                .withDescription("the message has " + bytes + " bytes or more, at most " + most + " are taken")
                .asRuntimeException();
    }
}
