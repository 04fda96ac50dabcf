package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.DefaultHttp2HeadersDecoder;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2Headers;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A client that sends any HTTP/2 frames over a connection, right or wrong ones, and grants the server only the windows that a test says.
 */
final class RawHttp2 implements AutoCloseable {
    static final int DATA = 0;
    static final int HEADERS = 1;
    static final int RST_STREAM = 3;
    static final int SETTINGS = 4;
    static final int PING = 6;
    static final int GOAWAY = 7;
    static final int WINDOW_UPDATE = 8;
    static final int CONTINUATION = 9;

    static final int END_STREAM = 1;
    static final int ACK = 1;
    static final int END_HEADERS = 4;

    static final int REFUSED_STREAM = 7;
    static final int CANCEL = 8;
    static final int PROTOCOL_ERROR = 1;
    static final int ENHANCE_YOUR_CALM = 11;

    private static final byte[] PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    static final int MAX_CONCURRENT_STREAMS = 3;
    private static final int INITIAL_WINDOW_SIZE = 4;

    /** A frame as it came. */
    record Frame(int type, int flags, int stream, byte[] payload) {
        boolean endsStream() {
            return (type == DATA || type == HEADERS) && (flags & END_STREAM) != 0;
        }

        /** The number that a reset or GOAWAY (its error) holds. */
        int error() {
            return ByteBuffer.wrap(payload).getInt(type == GOAWAY ? 4 : 0);
        }

        String text() {
            return new String(payload, StandardCharsets.UTF_8);
        }
    }

    /** What has come of an answer. */
    static final class Answer {
        @Nullable
        Http2Headers headers;

        final StringBuilder body = new StringBuilder();
        boolean ended;
        /** The code with which the stream was reset; -1 if it was not. */
        int reset = -1;

        int status() {
            String status = header(":status");
            return status == null ? 0 : Integer.parseInt(status);
        }

        @Nullable
        String header(String name) {
            Http2Headers known = headers;
            CharSequence value = known == null ? null : known.get(name);
            return value == null ? null : value.toString();
        }
    }

    final Socket socket;
    private final DataInputStream in;
    private final DefaultHttp2HeadersDecoder decoder = new DefaultHttp2HeadersDecoder(true);
    private final Map<Integer, Answer> answers = new HashMap<>();
    /** The error of the last GOAWAY; -1 if none came. */
    int goAway = -1;

    /** Begins with the preface and empty settings: windows of 64 KiB. */
    static RawHttp2 connect(HttpServer server) throws IOException {
        return connect(server, 65_535);
    }

    /** @param streamWindow bytes that the server may send on a stream until it is granted more */
    static RawHttp2 connect(HttpServer server, int streamWindow) throws IOException {
        RawHttp2 client = new RawHttp2(new RawClient(server).socket);
        client.preface(streamWindow);
        return client;
    }

    RawHttp2(Socket socket) throws IOException {
        this.socket = socket;
        in = new DataInputStream(socket.getInputStream());
    }

    void preface(int streamWindow) throws IOException {
        socket.getOutputStream().write(PREFACE);
        frame(
                SETTINGS,
                0,
                0,
                ByteBuffer.allocate(6)
                        .putShort((short) INITIAL_WINDOW_SIZE)
                        .putInt(streamWindow)
                        .array());
    }

    void frame(int type, int flags, int stream, byte[] payload) throws IOException {
        socket.getOutputStream().write(bytes(type, flags, stream, payload));
    }

    static byte[] bytes(int type, int flags, int stream, byte[] payload) {
        return ByteBuffer.allocate(9 + payload.length)
                .putShort((short) (payload.length >> 8))
                .put((byte) payload.length)
                .put((byte) type)
                .put((byte) flags)
                .putInt(stream)
                .put(payload)
                .array();
    }

    /** Begins a request whose rest does not come. */
    void open(int stream, String method, String path, String... more) throws IOException {
        frame(HEADERS, END_HEADERS, stream, head(method, path, more));
    }

    /** The value of a setting that a frame of SETTINGS holds; -1 if it holds none. */
    static int setting(Frame settings, int id) {
        ByteBuffer all = ByteBuffer.wrap(settings.payload());
        while (all.hasRemaining()) {
            if (all.getShort() == id) {
                return all.getInt();
            }
            all.getInt();
        }
        return -1;
    }

    /** Grants more bytes, on all streams together if the stream is 0. */
    void window(int stream, int bytes) throws IOException {
        frame(WINDOW_UPDATE, 0, stream, ByteBuffer.allocate(4).putInt(bytes).array());
    }

    void reset(int stream) throws IOException {
        frame(RST_STREAM, 0, stream, ByteBuffer.allocate(4).putInt(CANCEL).array());
    }

    /** A request without a body. */
    void get(int stream, String path) throws IOException {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, head("GET", path));
    }

    /** A request with a JSON body. */
    void post(int stream, String path, String body) throws IOException {
        frame(HEADERS, END_HEADERS, stream, head("POST", path, "content-type", "application/json"));
        frame(DATA, END_STREAM, stream, body.getBytes(StandardCharsets.UTF_8));
    }

    /** A header block of a request to localhost; more fields as names and values. */
    static byte[] head(String method, String path, String... more) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(fields(":method", method, ":scheme", "http", ":path", path, ":authority", "localhost"));
        out.writeBytes(fields(more));
        return out.toByteArray();
    }

    /** A header block of names and values. */
    static byte[] fields(String... namesAndValues) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            out.write(0); // a literal that is not indexed, with its name
            string(out, namesAndValues[i]);
            string(out, namesAndValues[i + 1]);
        }
        return out.toByteArray();
    }

    private static void string(ByteArrayOutputStream out, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        if (bytes.length < 127) {
            out.write(bytes.length);
        } else {
            out.write(127);
            int rest = bytes.length - 127;
            for (; rest >= 128; rest >>= 7) {
                out.write((rest & 127) | 128);
            }
            out.write(rest);
        }
        out.writeBytes(bytes);
    }

    /** The next frame, which is counted to its stream's answer; null at the end of the connection. */
    @Nullable
    Frame read() throws IOException {
        int length;
        try {
            length = (in.readUnsignedByte() << 16) | in.readUnsignedShort();
        } catch (EOFException e) {
            return null;
        }
        int type = in.readUnsignedByte();
        int flags = in.readUnsignedByte();
        int stream = in.readInt();
        Frame frame = new Frame(type, flags, stream, in.readNBytes(length));
        Answer answer = answer(stream);
        switch (type) {
            case HEADERS -> answer.headers = decode(frame);
            case DATA -> answer.body.append(frame.text());
            case RST_STREAM -> answer.reset = frame.error();
            case GOAWAY -> goAway = frame.error();
            default -> {
                // The test looks at it itself.
            }
        }
        answer.ended |= frame.endsStream();
        return frame;
    }

    private Http2Headers decode(Frame frame) {
        ByteBuf block = Unpooled.wrappedBuffer(frame.payload);
        try {
            return decoder.decodeHeaders(frame.stream, block);
        } catch (Http2Exception e) {
            throw new AssertionError(e);
        }
    }

    /** What has come on a stream so far. */
    Answer answer(int stream) {
        return answers.computeIfAbsent(stream, any -> new Answer());
    }

    /** Reads until a stream has ended in one way or another. */
    Answer await(int stream) throws IOException {
        Answer answer = answer(stream);
        while (!answer.ended && answer.reset < 0) {
            if (read() == null) {
                throw new AssertionError("the connection ended before stream " + stream);
            }
        }
        return answer;
    }

    /** Reads until a frame of this type has come. */
    Frame awaitFrame(int type) throws IOException {
        for (Frame frame = read(); frame != null; frame = read()) {
            if (frame.type == type) {
                return frame;
            }
        }
        throw new AssertionError("the connection ended before a frame of type " + type);
    }

    /** Reads until the connection ends, in peace or with a reset. */
    void awaitEnd() throws IOException {
        try {
            while (read() != null) {
                // What came is counted.
            }
        } catch (java.net.SocketException e) {
            // Reset: what was on its way to the server is lost, as is to be expected.
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
