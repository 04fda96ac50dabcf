package dev.apus.server.batch;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.concurrent.TimeUnit;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.json.JsonMapper;

/**
 * The answers and errors of a batch, each a line at the end of its file. The files are the journal, too: what they hold is done, and the
 * id of each line tells which request it was. A line that is not whole is cut off when they are opened again. Not thread-safe.
 */
final class ResultLog implements AutoCloseable {
    private static final int OK = 200;
    /** The machine may lose what was computed in this time when it loses power; the process alone loses nothing. */
    private static final long FORCE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final int NUMBER_DIGITS = 8;
    private static final JsonMapper JSON = new JsonMapper();

    private final String beginning;
    private final String tenant;
    private final Usage usage;
    private final Disk disk;
    private final BitSet done = new BitSet();
    private final Part output;
    private final Part errors;
    private long forcedAt = System.nanoTime();
    private boolean dirty;

    /** One of the two files. */
    private static final class Part {
        private final Path path;
        private final FileChannel channel;
        private int lines;
        private long bytes;

        Part(Path path) throws IOException {
            this.path = path;
            channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        }
    }

    private ResultLog(BatchStore.Paths paths, Batch batch, Usage usage, Disk disk) throws IOException {
        beginning = "{\"id\":\"" + idPrefix(batch);
        tenant = batch.owner().tenant();
        this.usage = usage;
        this.disk = disk;
        output = new Part(paths.output());
        try {
            errors = new Part(paths.errors());
        } catch (IOException e) {
            output.channel.close();
            throw e;
        }
    }

    /** Opens the files of a batch and finds out what is done. */
    static ResultLog resume(BatchStore.Paths paths, Batch batch, Usage usage, Disk disk) throws IOException {
        ResultLog log = new ResultLog(paths, batch, usage, disk);
        try {
            log.recover(log.output);
            log.recover(log.errors);
            return log;
        } catch (IOException e) {
            log.close();
            throw e;
        }
    }

    /** The id of a request, by which it is found again. */
    static String requestId(Batch batch, int line) {
        return idPrefix(batch) + HexFormat.of().toHexDigits(line);
    }

    private static String idPrefix(Batch batch) {
        return "batch_req_" + batch.id().substring(batch.id().indexOf('_') + 1);
    }

    private void recover(Part part) throws IOException {
        try (LineReader lines = LineReader.open(part.path, Integer.MAX_VALUE - 1)) {
            for (byte[] line = lines.next(); line != null; line = lines.next()) {
                int number = lines.isWhole() ? number(line) : 0;
                if (number <= 0 || done.get(number)) {
                    break;
                }
                done.set(number);
                part.lines++;
                part.bytes = lines.end();
            }
        }
        if (part.channel.size() > part.bytes) {
            part.channel.truncate(part.bytes);
        }
        part.channel.position(part.bytes);
        usage.add(tenant, part.bytes);
    }

    /** The request that a line tells of, or 0 if the line is broken. */
    private int number(byte[] line) {
        int end = beginning.length() + NUMBER_DIGITS;
        if (line.length <= end) {
            return 0;
        }
        String head = new String(line, 0, end, StandardCharsets.ISO_8859_1);
        if (!head.startsWith(beginning)) {
            return 0;
        }
        JsonFactory json = JSON.tokenStreamFactory();
        try (JsonParser parser = json.createParser(ObjectReadContext.empty(), line)) {
            boolean ends = false;
            while (parser.nextToken() != null) {
                // The last member there is: half a line may be JSON, too, by what follows it.
                ends |= "error".equals(parser.currentName())
                        && parser.streamReadContext().getNestingDepth() == 1;
            }
            return ends ? HexFormat.fromHexDigits(head, beginning.length(), end) : 0;
        } catch (JacksonException | IllegalArgumentException e) {
            return 0;
        }
    }

    boolean isDone(int line) {
        return done.get(line);
    }

    /** Requests with an answer. */
    int completed() {
        return output.lines;
    }

    /** Requests with an error. */
    int failed() {
        return errors.lines;
    }

    /** Takes the server's answer to a request. */
    void answered(Batch batch, BatchLine line, int status, byte[] json) throws IOException {
        String id = requestId(batch, line.number());
        String head =
                head(id, line.customId()) + "{\"status_code\":" + status + ",\"request_id\":\"" + id + "\",\"body\":";
        byte[] from = head.getBytes(StandardCharsets.UTF_8);
        byte[] to = "},\"error\":null}\n".getBytes(StandardCharsets.UTF_8);
        ByteBuffer text = ByteBuffer.allocate(from.length + json.length + to.length);
        text.put(from);
        for (byte b : json) {
            // A line feed outside of strings is white space, and inside it is escaped.
            text.put(b == '\n' ? (byte) ' ' : b);
        }
        append(status == OK ? output : errors, line.number(), text.put(to).flip());
    }

    /** Notes that a request was not run. */
    void notRun(Batch batch, BatchLine line, String code, String message) throws IOException {
        String text = head(requestId(batch, line.number()), line.customId()) + "null,\"error\":{\"code\":\"" + code
                + "\",\"message\":" + JSON.writeValueAsString(message) + "}}\n";
        append(errors, line.number(), ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static String head(String id, String customId) {
        return "{\"id\":\"" + id + "\",\"custom_id\":" + JSON.writeValueAsString(customId) + ",\"response\":";
    }

    private void append(Part part, int number, ByteBuffer line) throws IOException {
        int bytes = line.remaining();
        usage.take(tenant, bytes);
        part.bytes += bytes;
        Disk.writeAll(part.channel, line);
        dirty = true;
        done.set(number);
        part.lines++;
        disk.appended(part.path);
    }

    /** Forces what was written to the disk if it was long ago. */
    void forceIfDue() throws IOException {
        if (dirty && System.nanoTime() - forcedAt >= FORCE_NANOS) {
            force();
        }
    }

    void force() throws IOException {
        output.channel.force(false);
        errors.channel.force(false);
        forcedAt = System.nanoTime();
        dirty = false;
    }

    @Override
    public void close() throws IOException {
        usage.giveBack(tenant, output.bytes + errors.bytes);
        try {
            output.channel.close();
        } finally {
            errors.channel.close();
        }
    }
}
