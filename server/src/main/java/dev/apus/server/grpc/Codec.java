package dev.apus.server.grpc;

import com.google.protobuf.DiscardUnknownFieldsParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.grpc.Drainable;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/** Messages from and to frames, compressed by gzip where asked for. */
final class Codec {
    private static final int HEAD = 5;
    private static final int CHUNK = 16 << 10;
    /** Shorter messages would become longer. */
    private static final int LEAST_COMPRESSED = 1 << 10;
    /** Most messages of a stream are a token or some. */
    private static final int USUAL_BYTES = 256;

    private Codec() {}

    /**
     * The message in a frame.
     *
     * @param mostBytes of the message when it is no more compressed
     * @throws io.grpc.StatusRuntimeException if it is too long or no message of the method
     */
    static <Q> Q parse(MethodDescriptor<Q, ?> method, Deframer.Frame frame, int mostBytes, CallAdmission admission) {
        byte[] bytes = frame.compressed() ? unpacked(frame.bytes(), mostBytes, admission) : frame.bytes();
        if (method.getRequestMarshaller() instanceof MethodDescriptor.PrototypeMarshaller<Q> known
                && known.getMessagePrototype() instanceof Message prototype) {
            admission.takeParsed(MessageWeight.of(prototype.getDescriptorForType(), bytes));
            return known.getMessageClass().cast(parse(prototype, bytes));
        }
        return method.parseRequest(new ByteArrayInputStream(bytes));
    }

    /** Fields that are not known are not kept: some bytes of them would take hundreds of the heap. */
    private static Message parse(Message prototype, byte[] bytes) {
        try {
            return DiscardUnknownFieldsParser.wrap(prototype.getParserForType()).parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            throw Status.INTERNAL
                    .withDescription("the message is no "
                            + prototype.getDescriptorForType().getFullName() + ": " + e.getMessage())
                    .withCause(e)
                    .asRuntimeException();
        }
    }

    private static byte[] unpacked(byte[] bytes, int mostBytes, CallAdmission admission) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(Math.min(mostBytes, 2 * bytes.length));
        byte[] chunk = new byte[CHUNK];
        try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
            for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
                if (out.size() + count > mostBytes) {
                    throw Deframer.tooLong(mostBytes + 1L, mostBytes);
                }
                admission.take(count);
                admission.reading(count);
                out.write(chunk, 0, count);
            }
        } catch (IOException e) {
            throw Status.INTERNAL
                    .withDescription("a compressed message is no gzip: " + e.getMessage())
                    .withCause(e)
                    .asRuntimeException();
        }
        return out.toByteArray();
    }

    /** A message's frame, which the caller releases. */
    static <A> ByteBuf frame(MethodDescriptor<?, A> method, A message, ByteBufAllocator alloc, boolean mayCompress) {
        ByteBuf out = alloc.buffer(USUAL_BYTES);
        boolean done = false;
        try (InputStream in = method.streamResponse(message)) {
            boolean compress = mayCompress && in.available() >= LEAST_COMPRESSED;
            out.writeByte(compress ? 1 : 0).writeInt(0);
            try (OutputStream to = stream(out, compress)) {
                if (in instanceof Drainable known) {
                    known.drainTo(to);
                } else {
                    in.transferTo(to);
                }
            }
            out.setInt(1, out.readableBytes() - HEAD);
            done = true;
            return out;
        } catch (IOException e) {
            throw Status.INTERNAL
                    .withDescription("an answer could not be written")
                    .withCause(e)
                    .asRuntimeException();
        } finally {
            if (!done) {
                out.release();
            }
        }
    }

    private static OutputStream stream(ByteBuf out, boolean compress) throws IOException {
        OutputStream plain = new ByteBufOutputStream(out);
        return compress ? new GZIPOutputStream(plain, CHUNK) : plain;
    }
}
