package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import org.jspecify.annotations.Nullable;

/** The body of the request that a connection receives, within its own limit and the memory's. Confined to the connection's event loop. */
final class BodyCollector {
    private final int mostBytes;
    private @Nullable ByteBuf body;

    BodyCollector(int mostBytes) {
        this.mostBytes = mostBytes;
    }

    /** @throws ApiException if a body of so many bytes is too large */
    private void checkLength(long bytes) {
        if (bytes > mostBytes) {
            throw ApiException.tooLarge(mostBytes);
        }
    }

    /**
     * Appends a copy of a part.
     *
     * @throws ApiException if the body is too large or the memory is spent
     */
    void append(ByteBufAllocator allocator, MemoryBudget.Share memory, ByteBuf part) {
        int size = part.readableBytes();
        if (size == 0) {
            return;
        }
        ByteBuf all = body;
        checkLength((all == null ? 0L : all.readableBytes()) + size);
        if (!memory.tryTake((long) size * MemoryBudget.PER_BODY_BYTE)) {
            throw MemoryBudget.spent();
        }
        if (all == null) {
            all = allocator.heapBuffer(size);
            body = all;
        }
        all.writeBytes(part);
    }

    /** The whole body, which is the caller's with the memory taken for it. */
    byte[] take() {
        ByteBuf all = body;
        if (all == null) {
            return new byte[0];
        }
        byte[] bytes = new byte[all.readableBytes()];
        all.readBytes(bytes);
        all.release();
        body = null;
        return bytes;
    }

    /** Throws away what no handler will see, if there is something. */
    void release(MemoryBudget.Share memory) {
        ByteBuf all = body;
        if (all != null) {
            all.release();
            body = null;
            memory.close();
        }
    }
}
