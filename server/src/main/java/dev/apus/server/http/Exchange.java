package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One request and its answer. Handlers work on virtual threads and answer once, either with {@link #respond} (any thread) or as a stream
 * ({@link #event}, {@link #flush} and {@link #endStream}, on the connection's event loop only).
 *
 * <p>Heads and chunks are written as bytes by hand: a chunk is one buffer and one write, without objects in between.
 */
// Netty futures: a failed write or close ends the channel, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class Exchange {
    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._:/@+=-]{1,128}");
    private static final byte[] CRLF = {'\r', '\n'};
    private static final byte[] LAST_CHUNK = "0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    private static final int MOST_CHUNK_OVERHEAD = 16;

    private final ChannelHandlerContext context;
    private final ConnectionHandler connection;
    private final HttpMethod method;
    private final HttpHeaders headers;
    private final String path;
    private final boolean http11;
    private final String requestId;
    private final long arrivalNanos = System.nanoTime();
    private final List<String> extraHeaders = new ArrayList<>();
    /** Events of a stream that are not written yet; event loop only. */
    private final JsonOut pending = new JsonOut();

    private final MemoryBudget budget;
    private final MemoryBudget.Share memory;
    private String route = "none";
    private byte[] body = new byte[0];
    private boolean keepAlive;
    private boolean headWritten;
    private volatile boolean ended;
    private int status;
    private long receivedBytes;
    private long sentBytes;
    private volatile boolean disconnected;
    private volatile @Nullable Runnable onEnd;
    private volatile @Nullable Runnable onAbort;
    private volatile @Nullable Consumer<ApiException> onRefusal;
    private volatile @Nullable Runnable onWritable;
    private volatile @Nullable Runnable onLeft;

    Exchange(
            ChannelHandlerContext context,
            ConnectionHandler connection,
            HttpRequest request,
            boolean keepAlive,
            MemoryBudget budget) {
        this.budget = budget;
        memory = budget.share();
        this.context = context;
        this.connection = connection;
        this.keepAlive = keepAlive;
        method = request.method();
        headers = request.headers();
        path = pathOf(request.uri());
        http11 = request.protocolVersion().equals(HttpVersion.HTTP_1_1);
        String given = headers.get("x-request-id");
        requestId =
                given != null && isRequestId(given) ? given : UUID.randomUUID().toString();
        header("x-request-id", requestId);
    }

    /** Whether a client's text is safe and short enough to be an id in headers, answers and logs. */
    static boolean isRequestId(String text) {
        return REQUEST_ID.matcher(text).matches();
    }

    HttpMethod method() {
        return method;
    }

    String path() {
        return path;
    }

    HttpHeaders headers() {
        return headers;
    }

    String requestId() {
        return requestId;
    }

    long arrivalNanos() {
        return arrivalNanos;
    }

    byte[] body() {
        return body;
    }

    void body(byte[] bytes) {
        body = bytes;
        receivedBytes = Math.max(receivedBytes, bytes.length);
    }

    /** What the request takes of the memory until its handler is done. */
    MemoryBudget.Share memory() {
        return memory;
    }

    /** The route's path for metrics. */
    String route() {
        return route;
    }

    void route(String name) {
        route = name;
    }

    int status() {
        return status;
    }

    /** Bytes of the request's body. */
    long receivedBytes() {
        return receivedBytes;
    }

    long sentBytes() {
        return sentBytes;
    }

    ChannelHandlerContext context() {
        return context;
    }

    /** The connection ends after this answer. */
    void closeAfter() {
        keepAlive = false;
    }

    /** Adds a response header; name and value come from the server or are checked: no control characters. */
    void header(String name, String value) {
        for (int i = 0; i < value.length(); i++) {
            if (value.charAt(i) < 0x20 || value.charAt(i) > 0x7e) {
                throw new IllegalArgumentException("header " + name + " would hold a control character");
            }
        }
        extraHeaders.add(name + ": " + value + "\r\n");
    }

    /** What to do when the answer has been written or the client has gone before; runs on the event loop. */
    void onEnd(Runnable action) {
        onEnd = action;
        if (isOver()) {
            context.executor().execute(action);
        }
    }

    /** What ends the work on the answer early, so that it can be told; any thread. */
    void onAbort(Runnable action) {
        onAbort = action;
    }

    /** What takes an error that ends the answer, once an answer is being made; runs on the event loop. */
    void onRefusal(Consumer<ApiException> action) {
        onRefusal = action;
    }

    /** Ends the answer with an error, wherever it is. On the event loop. */
    void refuse(ApiException error) {
        Consumer<ApiException> action = onRefusal;
        if (action != null) {
            action.accept(error);
        } else {
            respond(error);
        }
    }

    /** The server waits no longer: what makes the answer ends it early; if nothing does yet, the request is refused. Any thread. */
    void abort() {
        Runnable action = onAbort;
        if (action != null) {
            action.run();
            return;
        }
        context.executor().execute(() -> {
            closeAfter();
            respond(ApiException.unavailable("the server is shutting down"));
        });
    }

    /** What to do when a slow client has read what was written; runs on the event loop. */
    void onWritable(Runnable action) {
        onWritable = action;
    }

    /** What to do when the last byte of the answer has left for the client, or never will; runs on the event loop. */
    void onLeft(Runnable action) {
        onLeft = action;
    }

    boolean isWritable() {
        return context.channel().isWritable();
    }

    /** Answers with a whole body; a second answer is ignored. */
    void respond(int answerStatus, String contentType, byte[] content) {
        if (context.executor().inEventLoop()) {
            respondNow(answerStatus, contentType, content);
        } else {
            context.executor().execute(() -> respondNow(answerStatus, contentType, content));
        }
    }

    void respondJson(int answerStatus, byte[] json) {
        respond(answerStatus, "application/json", json);
    }

    void respond(ApiException error) {
        if (error.retryAfterSeconds() > 0) {
            header("retry-after", Integer.toString(error.retryAfterSeconds()));
        }
        respondJson(error.status(), error.json());
    }

    private void respondNow(int answerStatus, String contentType, byte[] content) {
        if (ended || headWritten) {
            return;
        }
        ended = true;
        status = answerStatus;
        boolean bodyAllowed = answerStatus != 204;
        ByteBuf out = context.alloc().buffer(512 + content.length);
        StringBuilder head = head(answerStatus);
        if (bodyAllowed) {
            head.append("content-type: ").append(contentType).append("\r\ncontent-length: ");
            head.append(content.length).append("\r\n");
        }
        out.writeCharSequence(head.append("\r\n"), StandardCharsets.US_ASCII);
        if (bodyAllowed && !method.equals(HttpMethod.HEAD)) {
            out.writeBytes(content);
        }
        writeLast(out, content.length);
        run(onEnd);
        connection.answered(this, keepAlive);
    }

    /** The buffer to which the events of a stream are appended before {@link #flush}. */
    JsonOut event() {
        return pending;
    }

    /** Writes what {@link #event} holds as one chunk, after the stream's head if it is the first. */
    void flush() {
        if (ended || pending.length() == 0) {
            return;
        }
        int length = pending.length();
        ByteBuf out = context.alloc().buffer(length + (headWritten ? MOST_CHUNK_OVERHEAD : 1024));
        writeHeadOnce(out);
        writeChunk(out);
        write(out);
    }

    /** Writes what {@link #event} holds and ends the answer. */
    void endStream() {
        if (ended) {
            return;
        }
        ByteBuf out = context.alloc().buffer(pending.length() + 1024);
        writeHeadOnce(out);
        writeChunk(out);
        ended = true;
        if (http11) {
            out.writeBytes(LAST_CHUNK);
        } else {
            keepAlive = false;
        }
        writeLast(out, out.readableBytes());
        run(onEnd);
        connection.answered(this, keepAlive);
    }

    /** Whether it was answered or the client has gone: nobody waits for what is made for it. Any thread. */
    boolean isOver() {
        return ended || disconnected;
    }

    boolean streamStarted() {
        return headWritten;
    }

    /** Closes the connection without an end of the answer: for clients that do not read. */
    void cutOff() {
        context.close();
    }

    /** Called by the connection when it is closed. */
    void disconnected() {
        if (ended) {
            return;
        }
        disconnected = true;
        run(onEnd);
        run(onLeft);
    }

    private static void run(@Nullable Runnable action) {
        if (action != null) {
            action.run();
        }
    }

    /** Called by the connection when the channel has become writable again. */
    void writable() {
        if (!ended) {
            run(onWritable);
        }
    }

    private void writeHeadOnce(ByteBuf out) {
        if (headWritten) {
            return;
        }
        headWritten = true;
        status = 200;
        StringBuilder head = head(200);
        head.append("content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n");
        // Proxies of the nginx family would else buffer the stream.
        head.append("x-accel-buffering: no\r\n");
        if (http11) {
            head.append("transfer-encoding: chunked\r\n");
        }
        out.writeCharSequence(head.append("\r\n"), StandardCharsets.US_ASCII);
    }

    private void writeChunk(ByteBuf out) {
        int length = pending.length();
        if (length == 0) {
            return;
        }
        if (http11) {
            out.writeCharSequence(Integer.toHexString(length), StandardCharsets.US_ASCII);
            out.writeBytes(CRLF);
            pending.writeTo(out);
            out.writeBytes(CRLF);
        } else {
            pending.writeTo(out);
        }
        pending.clear();
    }

    private void write(ByteBuf out) {
        sentBytes += out.readableBytes();
        context.writeAndFlush(out, context.voidPromise());
    }

    private void writeLast(ByteBuf out, int answerBytes) {
        budget.takeForAnswer(answerBytes);
        sentBytes += out.readableBytes();
        context.writeAndFlush(out).addListener(written -> {
            budget.giveBackAnswer(answerBytes);
            run(onLeft);
        });
    }

    private StringBuilder head(int answerStatus) {
        if (!http11) {
            keepAlive = false;
        }
        StringBuilder head = new StringBuilder(256);
        head.append("HTTP/1.1 ").append(answerStatus).append(' ').append(Statuses.reason(answerStatus));
        head.append("\r\nserver: apus\r\n");
        extraHeaders.forEach(head::append);
        if (!keepAlive) {
            head.append("connection: close\r\n");
        }
        return head;
    }

    private static String pathOf(String target) {
        String path = target;
        int scheme = path.indexOf("://");
        if (scheme > 0 && !path.startsWith("/")) {
            // The absolute form that proxies use.
            int slash = path.indexOf('/', scheme + 3);
            path = slash < 0 ? "/" : path.substring(slash);
        }
        int query = path.indexOf('?');
        return query < 0 ? path : path.substring(0, query);
    }
}
