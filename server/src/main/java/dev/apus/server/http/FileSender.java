package dev.apus.server.http;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends a file in parts, each when the client has taken most of those before. On the handler's thread, which waits meanwhile. */
final class FileSender {
    private static final Logger LOG = LoggerFactory.getLogger(FileSender.class);
    private static final int PART = 64 << 10;

    private final Exchange exchange;
    private final AtomicReference<@Nullable CompletableFuture<Void>> room = new AtomicReference<>();

    FileSender(Exchange exchange) {
        this.exchange = exchange;
    }

    /** Returns when all was written or the client has gone; a disk that fails breaks the answer off. */
    void send(FileChannel file, String contentType) {
        exchange.memory().take(3L * PART);
        exchange.streamType(contentType);
        exchange.onWritable(this::goOn);
        exchange.onEnd(this::goOn);
        ByteBuffer buffer = ByteBuffer.allocate(PART);
        try {
            while (!exchange.isOver() && file.read(buffer.clear()) > 0) {
                byte[] part = Arrays.copyOf(buffer.array(), buffer.position());
                write(part).join();
            }
            exchange.loop().execute(exchange::endStream);
        } catch (RejectedExecutionException e) {
            // The server is closed and its connections with it.
            LOG.debug("request {}: not sent to its end", exchange.requestId());
        } catch (IOException e) {
            LOG.error("request {}: the file cannot be read", exchange.requestId(), e);
            exchange.loop().execute(exchange::cutOff);
        }
    }

    /** Completes when more may be written. */
    private CompletableFuture<Void> write(byte[] part) {
        CompletableFuture<Void> written = new CompletableFuture<>();
        exchange.loop().execute(() -> {
            if (!exchange.isOver()) {
                room.set(written);
                exchange.event().raw(part);
                exchange.flush();
            }
            if (exchange.isOver() || exchange.isWritable()) {
                written.complete(null);
            }
        });
        return written;
    }

    private void goOn() {
        CompletableFuture<Void> waiting = room.get();
        if (waiting != null) {
            waiting.complete(null);
        }
    }
}
