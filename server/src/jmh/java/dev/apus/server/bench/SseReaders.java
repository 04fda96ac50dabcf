package dev.apus.server.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.function.LongConsumer;

/**
 * Many clients in one thread, made to cost little: they send one request each and then only count tokens and events in what comes. Tokens
 * are told by a byte that occurs once in each token's text and nowhere else in an event.
 */
final class SseReaders implements AutoCloseable {
    private static final int BUFFER = 256 << 10;
    /** An event has one list, its choices. */
    private static final byte EVENT_MARK = '[';

    private final Selector selector;
    private final Thread thread;
    private final LongConsumer onTokens;
    private final Arrivals arrivals;
    private final byte tokenMark;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    private volatile long tokens;
    private volatile long events;
    private volatile boolean closed;

    /** Told on the reading thread of each token: its number in its stream, counted from 0. */
    interface Arrivals {
        void arrived(long number);
    }

    /** @param onTokens called on the reading thread with the number of tokens read so far */
    SseReaders(int port, int streams, String request, byte tokenMark, LongConsumer onTokens) throws IOException {
        this(port, streams, request, tokenMark, onTokens, number -> {});
    }

    SseReaders(int port, int streams, String request, byte tokenMark, LongConsumer onTokens, Arrivals arrivals)
            throws IOException {
        this.arrivals = arrivals;
        this.tokenMark = tokenMark;
        this.onTokens = onTokens;
        selector = Selector.open();
        byte[] bytes = request.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < streams; i++) {
            SocketChannel channel = SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            ByteBuffer out = ByteBuffer.wrap(bytes);
            while (out.hasRemaining()) {
                channel.write(out);
            }
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_READ, new long[1]);
        }
        thread = Thread.ofPlatform().name("sse-readers").start(this::run);
    }

    long tokens() {
        return tokens;
    }

    long events() {
        return events;
    }

    private void run() {
        try {
            while (!closed) {
                selector.select(this::read);
                onTokens.accept(tokens);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the benchmark's clients failed", e);
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
    private void read(SelectionKey key) {
        try {
            buffer.clear();
            int count = ((SocketChannel) key.channel()).read(buffer);
            if (count < 0) {
                throw new IOException("the server has ended a stream that has no end");
            }
            byte[] bytes = buffer.array();
            int found = count(bytes, count, tokenMark);
            tokens += found;
            long[] before = (long[]) key.attachment();
            for (int i = 0; i < found; i++) {
                arrivals.arrived(before[0]++);
            }
            events += count(bytes, count, EVENT_MARK);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int count(byte[] bytes, int length, byte value) {
        int found = 0;
        for (int i = 0; i < length; i++) {
            found += bytes[i] == value ? 1 : 0;
        }
        return found;
    }

    @Override
    public void close() throws IOException {
        closed = true;
        selector.wakeup();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        for (SelectionKey key : selector.keys()) {
            key.channel().close();
        }
        selector.close();
    }
}
