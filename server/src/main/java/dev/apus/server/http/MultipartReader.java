package dev.apus.server.http;

import io.netty.handler.codec.http.QueryStringDecoder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads {@code multipart/form-data} (RFC 7578) part by part, without holding more than a buffer of it. Not thread-safe.
 *
 * <p>What {@link #next} and {@link #read} refuse they refuse with an {@link ApiException} of status 400.
 */
final class MultipartReader {
    private static final int BUFFER = 64 << 10;
    /** Of a part's head; browsers' and clients' have some hundred bytes. */
    private static final int MOST_HEAD = 8 << 10;

    private static final int MOST_PARTS = 32;
    /** RFC 2046. */
    private static final int MOST_BOUNDARY = 70;
    /** What may follow the last boundary: a line end, usually. */
    private static final int MOST_EPILOGUE = 4 << 10;

    private static final Pattern BOUNDARY =
            Pattern.compile("(?i);\\s*boundary=(?:\"([^\"\\r\\n]{1,70})\"|([^\\s;\",]{1,70}))");
    private static final Pattern PARAMETER =
            Pattern.compile("(?i);\\s*(name|filename\\*?)=(?:\"((?:[^\"\\\\]|\\\\.)*+)\"|([^\\s;\"]*+))");

    /**
     * The head of a part.
     *
     * @param name of the field
     * @param filename as the client calls a file; null if the part is none
     */
    record Part(String name, @Nullable String filename) {}

    private final InputStream in;
    /** What goes before a boundary belongs to it. */
    private final byte[] delimiter;

    private final byte[] buffer = new byte[BUFFER];
    private int position;
    private int limit;
    private boolean ended;
    private boolean begun;
    private boolean partOpen;
    private int parts;

    /** @throws ApiException if the content type names no boundary */
    MultipartReader(InputStream in, String contentType) {
        this.in = in;
        Matcher matcher = BOUNDARY.matcher(contentType);
        if (!matcher.find()) {
            throw ApiException.badRequest("the content type multipart/form-data must name a 'boundary' of 1 to "
                    + MOST_BOUNDARY + " characters");
        }
        String boundary = matcher.group(1) == null ? matcher.group(2) : matcher.group(1);
        delimiter = ("\r\n--" + boundary).getBytes(StandardCharsets.ISO_8859_1);
        // The first boundary may be without a line end before it; this one stands for that.
        buffer[0] = '\r';
        buffer[1] = '\n';
        limit = 2;
    }

    /** The next part, or null after the last. What was not read of the part before is skipped. */
    @Nullable
    Part next() throws IOException {
        if (!begun) {
            begun = true;
            if (!fill(delimiter.length) || !isDelimiter(0)) {
                throw ApiException.badRequest("the body does not begin with the boundary that the content type names");
            }
            partOpen = true;
        }
        byte[] nowhere = new byte[BUFFER];
        while (partOpen) {
            partOpen = read(nowhere) >= 0;
        }
        position += delimiter.length;
        if (!fill(2)) {
            throw cutOff();
        }
        if (buffer[position] == '-' && buffer[position + 1] == '-') {
            skipEpilogue();
            return null;
        }
        parts++;
        if (parts > MOST_PARTS) {
            throw ApiException.badRequest("the body has more than " + MOST_PARTS + " parts");
        }
        if (!line().isBlank()) {
            throw ApiException.badRequest("a boundary is followed by something else than a line's end");
        }
        Part part = head();
        // The content may be empty: then its boundary follows the head's last line end, which belongs to both.
        position -= 2;
        buffer[position] = '\r';
        buffer[position + 1] = '\n';
        partOpen = true;
        if (fill(delimiter.length) && isDelimiter(0)) {
            partOpen = false;
        } else {
            position += 2;
        }
        return part;
    }

    /** Reads of the part's content; -1 at its end. */
    int read(byte[] into) throws IOException {
        if (!partOpen) {
            return -1;
        }
        while (true) {
            int at = find();
            int sure = at >= 0 ? at : Math.max(0, limit - position - delimiter.length + 1);
            if (sure > 0) {
                int count = Math.min(sure, into.length);
                System.arraycopy(buffer, position, into, 0, count);
                position += count;
                return count;
            }
            if (at == 0) {
                partOpen = false;
                return -1;
            }
            if (!fill(delimiter.length)) {
                throw cutOff();
            }
        }
    }

    /** The part's content as text, of so many bytes at most. */
    String text(String name, int most) throws IOException {
        byte[] bytes = new byte[most + 1];
        byte[] some = new byte[most + 1];
        int length = 0;
        for (int count = read(some); count >= 0; count = read(some)) {
            if (length + count > most) {
                throw ApiException.invalid(name, "'" + name + "' is longer than " + most + " bytes");
            }
            System.arraycopy(some, 0, bytes, length, count);
            length += count;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    private Part head() throws IOException {
        String name = null;
        String filename = null;
        int bytes = 0;
        for (String line = line(); !line.isEmpty(); line = line()) {
            bytes += line.length();
            if (bytes > MOST_HEAD) {
                throw ApiException.badRequest("the head of a part is longer than " + MOST_HEAD + " bytes");
            }
            if (line.toLowerCase(Locale.ROOT).startsWith("content-disposition:")) {
                Matcher matcher = PARAMETER.matcher(line);
                while (matcher.find()) {
                    String value = matcher.group(2) == null
                            ? matcher.group(3)
                            : matcher.group(2).replaceAll("\\\\(.)", "$1");
                    String which = matcher.group(1).toLowerCase(Locale.ROOT);
                    switch (which) {
                        case "name" -> name = value;
                        case "filename" -> filename = filename == null ? value : filename;
                        default -> filename = extended(value);
                    }
                }
            }
        }
        if (name == null) {
            throw ApiException.badRequest("a part has no Content-Disposition with a 'name'");
        }
        return new Part(name, filename);
    }

    /** A value in the form of RFC 5987: {@code UTF-8''a%20b}. */
    private static String extended(String value) {
        int quotes = value.indexOf("''");
        try {
            return QueryStringDecoder.decodeComponent(
                    value.substring(quotes < 0 ? 0 : quotes + 2).replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest("a part's 'filename*' holds a wrong percent escape");
        }
    }

    /** The bytes up to a line's end, which are read. */
    private String line() throws IOException {
        int length = 0;
        while (true) {
            if (!fill(length + 2)) {
                throw cutOff();
            }
            if (buffer[position + length] == '\r' && buffer[position + length + 1] == '\n') {
                String line = new String(buffer, position, length, StandardCharsets.UTF_8);
                position += length + 2;
                return line;
            }
            length++;
            if (length > MOST_HEAD) {
                throw ApiException.badRequest("the head of a part is longer than " + MOST_HEAD + " bytes");
            }
        }
    }

    private void skipEpilogue() throws IOException {
        int skipped = limit - position;
        position = limit;
        while (fill(1)) {
            skipped += limit - position;
            position = limit;
            if (skipped > MOST_EPILOGUE) {
                throw ApiException.badRequest("the body goes on after its last boundary");
            }
        }
    }

    private static ApiException cutOff() {
        return ApiException.badRequest("the body ends before its last boundary");
    }

    private boolean isDelimiter(int at) {
        int from = position + at;
        return limit - from >= delimiter.length
                && Arrays.equals(buffer, from, from + delimiter.length, delimiter, 0, delimiter.length);
    }

    /** How far the next boundary is, or -1 if it is not in the buffer. */
    private int find() {
        for (int at = 0; position + at + delimiter.length <= limit; at++) {
            if (buffer[position + at] == '\r' && isDelimiter(at)) {
                return at;
            }
        }
        return -1;
    }

    /** Has so many bytes in the buffer; false if the body ends before. */
    private boolean fill(int wanted) throws IOException {
        if (limit - position >= wanted) {
            return true;
        }
        System.arraycopy(buffer, position, buffer, 0, limit - position);
        limit -= position;
        position = 0;
        while (limit < wanted && !ended) {
            int count = in.read(buffer, limit, buffer.length - limit);
            ended = count < 0;
            limit += Math.max(0, count);
        }
        return limit >= wanted;
    }
}
