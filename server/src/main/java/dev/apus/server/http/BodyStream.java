package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The body of a request that is handed on as it comes: a connection's event loop offers the parts, the handler's thread reads them. What is
 * not read yet is little, because the loop stops reading the client meanwhile.
 */
final class BodyStream extends InputStream {
    /** Bytes that may wait before the client is not read any more. */
    static final int MOST_WAITING = 256 << 10;

    private static final int FEW_WAITING = 64 << 10;

    private final long most;
    private final Runnable room;
    private final ArrayDeque<byte[]> parts = new ArrayDeque<>();
    /** What was read of the first part. */
    private int offset;

    private int waiting;
    private long received;
    private boolean full;
    private boolean whole;
    private @Nullable String broken;

    /**
     * @param most bytes of the whole body
     * @param room called, on the reader's thread, when the client may be read again after {@link #offer} has told not to
     */
    BodyStream(long most, Runnable room) {
        this.most = most;
        this.room = room;
    }

    /**
     * Appends a copy of a part.
     *
     * @return whether the client may be read on
     * @throws ApiException if the body is too large
     */
    synchronized boolean offer(ByteBuf part) {
        int size = part.readableBytes();
        received += size;
        if (received > most) {
            throw ApiException.tooLarge(most);
        }
        if (size > 0 && broken == null) {
            byte[] bytes = new byte[size];
            part.readBytes(bytes);
            parts.add(bytes);
            waiting += size;
            notifyAll();
        }
        full |= waiting > MOST_WAITING && broken == null;
        return !full;
    }

    /** Bytes that have come. */
    synchronized long received() {
        return received;
    }

    /** The last part has come. */
    synchronized void finish() {
        whole = true;
        notifyAll();
    }

    /** Whether the client has sent all of it. */
    synchronized boolean isWhole() {
        return whole;
    }

    /** No more will come, or nobody wants it. */
    synchronized void fail(String why) {
        if (!whole && broken == null) {
            broken = why;
            parts.clear();
            waiting = 0;
            notifyAll();
        }
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    /** @throws IOException if the client has gone before the end */
    @Override
    public int read(byte[] into, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, into.length);
        boolean again;
        int count;
        synchronized (this) {
            awaitPart();
            byte[] first = parts.peek();
            if (first == null) {
                return -1;
            }
            count = Math.min(length, first.length - offset);
            System.arraycopy(first, offset, into, from, count);
            offset += count;
            waiting -= count;
            if (offset == first.length) {
                parts.remove();
                offset = 0;
            }
            again = full && waiting <= FEW_WAITING;
            full &= !again;
        }
        if (again) {
            room.run();
        }
        return count;
    }

    private void awaitPart() throws IOException {
        try {
            while (parts.isEmpty() && !whole && broken == null) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("the server is closed", e);
        }
        if (broken != null) {
            throw new IOException(broken);
        }
    }
}
