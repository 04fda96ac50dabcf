package dev.apus.server.batch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** Reads a file line by line, without holding more than one. Not thread-safe. */
final class LineReader implements AutoCloseable {
    private static final int BUFFER = 64 << 10;

    private final FileChannel channel;
    private final int most;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER).flip();
    private long position;
    private long end;
    private int number;
    private boolean whole;
    private boolean tooLong;

    private LineReader(FileChannel channel, int most) {
        this.channel = channel;
        this.most = most;
    }

    /** @param most bytes of a line; of a longer one the rest is skipped */
    static LineReader open(Path file, int most) throws IOException {
        return new LineReader(FileChannel.open(file, StandardOpenOption.READ), most);
    }

    /** The next line without its line feed, or null at the end. */
    byte @Nullable [] next() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        boolean any = false;
        whole = false;
        tooLong = false;
        while (!whole && (buffer.hasRemaining() || fill())) {
            any = true;
            int from = buffer.position();
            int to = from;
            byte[] bytes = buffer.array();
            while (to < buffer.limit() && bytes[to] != '\n') {
                to++;
            }
            whole = to < buffer.limit();
            tooLong |= line.size() + (to - from) > most;
            if (!tooLong) {
                line.write(bytes, from, to - from);
            }
            int read = to - from + (whole ? 1 : 0);
            buffer.position(from + read);
            end += read;
        }
        if (any) {
            number++;
        }
        return any ? line.toByteArray() : null;
    }

    private boolean fill() throws IOException {
        buffer.clear();
        int read = channel.read(buffer, position);
        buffer.flip();
        position += Math.max(0, read);
        return read > 0;
    }

    /** The number of the last line read, from 1. */
    int number() {
        return number;
    }

    /** Whether the last line had a line feed at its end. */
    boolean isWhole() {
        return whole;
    }

    /** Whether the last line was longer than allowed, and is not told. */
    boolean isTooLong() {
        return tooLong;
    }

    /** Bytes of the file up to the end of the last line read. */
    long end() {
        return end;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
