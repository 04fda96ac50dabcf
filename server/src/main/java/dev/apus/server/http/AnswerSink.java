package dev.apus.server.http;

import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where one answer goes: an HTTP/1.1 connection or a stream of an HTTP/2 connection. Methods run on its event loop
 * only where they do not say otherwise; they are called in the order of an answer, either {@link #whole} or {@link #part} until the last, and then {@link #answered}.
 */
interface AnswerSink {
    /** A header field; the name is in lower case, neither holds control characters. */
    record Field(String name, String value) {}

    /** Status and header fields of an answer, without those that frame a body. */
    record Head(int status, List<Field> fields) {}

    /**
     * Where a request comes from.
     *
     * @param remote the client's address and port, or {@code -}
     * @param protocol {@code HTTP/1.1}, {@code HTTP/2} or {@code gRPC}
     */
    record Origin(String remote, String protocol) {
        static Origin of(@Nullable SocketAddress address, String protocol) {
            return new Origin(
                    address instanceof InetSocketAddress inet
                            ? inet.getAddress().getHostAddress() + ":" + inet.getPort()
                            : "-",
                    protocol);
        }
    }

    /** Where the request comes from. */
    Origin origin();

    /** The event loop that moves the answer's bytes. Any thread. */
    EventExecutor loop();

    /** Whether the client takes what is written without its piling up here. */
    boolean isWritable();

    /** The connection is not used for another request, where it serves one at a time. */
    void closeAfter();

    /**
     * Writes a whole answer.
     *
     * @param head with the body's type and length
     * @param body empty if only the head is asked for
     * @param left what to do when the last byte has left, or never will
     * @return bytes written
     */
    long whole(Head head, byte[] body, Runnable left);

    /**
     * Writes a part of a stream.
     *
     * @param head of the first part; null for those after
     * @param data what is written; may be empty in the last part
     * @param left what to do when the stream's last byte has left, or never will; null unless this is the last part
     * @return bytes written
     */
    long part(@Nullable Head head, JsonOut data, @Nullable Runnable left);

    /** Ends the connection or stream without an end of the answer: for clients that do not read. */
    void cutOff();

    /** Who sends the request has a right to an answer. Any thread. */
    default void authorised() {}

    /** So many bytes more of the answer have been written and wait for the client, or less if negative. */
    default void unread(long bytes) {}

    /** The answer is written, and may still be on its way. */
    void answered(Exchange exchange);
}
