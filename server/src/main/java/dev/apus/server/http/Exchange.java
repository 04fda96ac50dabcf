package dev.apus.server.http;

import dev.apus.server.auth.Admission;
import dev.apus.server.auth.Principal;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.util.concurrent.EventExecutor;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request and its answer. Handlers work on virtual threads and answer once, either with {@link #respond} (any thread) or as a stream
 * ({@link #event}, {@link #flush} and {@link #endStream}, on its event loop only). Where the answer goes and how it is framed is the
 * {@link AnswerSink}'s matter.
 */
final class Exchange {
    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._:/@+=-]{1,128}");
    /** The form of a target that proxies use; what follows the authority is the rest. */
    private static final Pattern ABSOLUTE_FORM = Pattern.compile("(?is)https?://([^/?#]*)(.*)");

    /** Of a request whose client went before it was answered, as nginx logs it; never sent. */
    static final int CLIENT_GONE = 499;

    private static final byte[] NOTHING = {};
    private static final String EVENTS = "text/event-stream; charset=utf-8";
    /** Before somebody is known, and on routes that ask for nobody. */
    private static final Principal NOBODY = Principal.of(Principal.NO_KEY);

    private final AnswerSink sink;
    private final HttpRequest request;
    private final String path;
    private final String query;
    private final String requestId;
    private final ErrorShape errors;
    private final long arrivalNanos = System.nanoTime();
    private final List<AnswerSink.Field> fields = new ArrayList<>();
    /** Events of a stream that are not written yet; event loop only. */
    private final JsonOut pending;

    private final MemoryBudget budget;
    private final MemoryBudget.Share memory;
    private final AnswerMemory answerMemory;
    private final RequestWatch watch;
    private final RequestRecord record = new RequestRecord();
    private boolean background;
    private boolean over;
    private long overNanos;
    private String route = "none";
    private Principal principal = NOBODY;
    private Admission admission = Admission.UNLIMITED;
    private byte[] body = NOTHING;
    private @Nullable BodyStream bodyStream;
    private String streamType = EVENTS;
    private boolean inBatch;
    private boolean headWritten;
    private volatile boolean ended;
    private int status;
    private long receivedBytes;
    private long sentBytes;
    private volatile boolean disconnected;
    /** The same of those that are the same request: the one that came and the one whose answer goes elsewhere. */
    private final AtomicReference<@Nullable Generating> generating;

    private volatile @Nullable Runnable onEnd;
    private volatile @Nullable Runnable onAbort;
    private volatile @Nullable Consumer<ApiException> onRefusal;
    private volatile @Nullable Runnable onWritable;
    private final AtomicReference<@Nullable Runnable> onLeft = new AtomicReference<>();

    /** @param watch hears of its end */
    Exchange(AnswerSink sink, HttpRequest request, MemoryBudget budget, RequestWatch watch) {
        this(sink, request, budget, watch, new AtomicReference<>());
    }

    private Exchange(
            AnswerSink sink,
            HttpRequest request,
            MemoryBudget budget,
            RequestWatch watch,
            AtomicReference<@Nullable Generating> generating) {
        this.generating = generating;
        this.sink = sink;
        this.request = request;
        this.budget = budget;
        this.watch = watch;
        memory = budget.share();
        answerMemory = new AnswerMemory(budget);
        pending = new JsonOut(answerMemory);
        String target = originForm(request.uri());
        int mark = target.indexOf('?');
        path = mark < 0 ? target : target.substring(0, mark);
        query = mark < 0 ? "" : target.substring(mark + 1);
        String given = request.headers().get("x-request-id");
        requestId = given != null && isRequestId(given) ? given : newRequestId();
        header("server", "apus");
        header("x-request-id", requestId);
        errors = ErrorShape.of(path, request.headers());
        if (errors == ErrorShape.ANTHROPIC) {
            header("request-id", requestId);
        }
    }

    /** Whether a client's text is safe and short enough to be an id in headers, answers and logs. */
    static boolean isRequestId(String text) {
        return REQUEST_ID.matcher(text).matches();
    }

    static String newRequestId() {
        return UUID.randomUUID().toString();
    }

    /** The head as it came. */
    HttpRequest request() {
        return request;
    }

    HttpMethod method() {
        return request.method();
    }

    String path() {
        return path;
    }

    /** What follows the question mark, as sent; empty if there is none. */
    String query() {
        return query;
    }

    HttpHeaders headers() {
        return request.headers();
    }

    String requestId() {
        return requestId;
    }

    long arrivalNanos() {
        return arrivalNanos;
    }

    /** Nanoseconds from its head to the end of its answer, or until now. */
    long tookNanos() {
        return (over ? overNanos : System.nanoTime()) - arrivalNanos;
    }

    byte[] body() {
        return body;
    }

    void body(byte[] bytes) {
        body = bytes;
        receivedBytes = Math.max(receivedBytes, bytes.length);
    }

    /**
     * The body comes as a stream, which the handler reads while it comes. On the event loop.
     *
     * @param most bytes of it
     * @param room called when the client may be read again
     */
    void openBody(long most, Runnable room) {
        bodyStream = new BodyStream(most, room);
    }

    /** The body, if it comes as a stream. */
    @Nullable
    BodyStream bodyStream() {
        return bodyStream;
    }

    /** No client waits for it: it runs behind all others. */
    void inBatch() {
        inBatch = true;
    }

    boolean isInBatch() {
        return inBatch;
    }

    /** What the request takes of the memory until its handler is done. */
    MemoryBudget.Share memory() {
        return memory;
    }

    /** What the answer takes of the memory until it has been written. */
    AnswerMemory answerMemory() {
        return answerMemory;
    }

    /** The route's path for metrics. */
    String route() {
        return route;
    }

    void route(String name) {
        route = name;
    }

    /** On whose behalf the request comes; without any role on routes that need no key. */
    Principal principal() {
        return principal;
    }

    void principal(Principal who) {
        principal = who;
    }

    /** Who sends it may do so. */
    void authorised() {
        sink.authorised();
    }

    /** What counts it against its tenant's limits. */
    Admission admission() {
        return admission;
    }

    void admission(Admission counted) {
        admission = counted;
    }

    /** How far the engine is with it; null before it has been asked, or if it never is. Any thread. */
    @Nullable
    Generating generating() {
        return generating.get();
    }

    void generating(Generating work) {
        generating.set(work);
    }

    /** What is known of it for those who watch the server. */
    RequestRecord record() {
        return record;
    }

    /** Whether it goes on after its client was answered, by {@link #detached}. */
    boolean isBackground() {
        return background;
    }

    /** From where it came and by which protocol. */
    AnswerSink.Origin origin() {
        return sink.origin();
    }

    /** Of the answer; 0 while there is none, {@link #CLIENT_GONE} if the client went before its end. */
    int status() {
        return status;
    }

    /** Bytes of the request's body. */
    long receivedBytes() {
        BodyStream stream = bodyStream;
        return stream == null ? receivedBytes : stream.received();
    }

    long sentBytes() {
        return sentBytes;
    }

    /** The event loop on which the answer is written. */
    EventExecutor loop() {
        return sink.loop();
    }

    /** The connection ends after this answer, unless others share it. On the event loop. */
    void closeAfter() {
        sink.closeAfter();
    }

    /** Adds a response header; the name is in lower case, name and value come from the server or are checked: no control characters. */
    void header(String name, String value) {
        for (int i = 0; i < value.length(); i++) {
            if (value.charAt(i) < 0x20 || value.charAt(i) > 0x7e) {
                throw new IllegalArgumentException("header " + name + " would hold a control character");
            }
        }
        fields.add(new AnswerSink.Field(name, value));
    }

    /** What to do when the answer has been written or the client has gone before; runs on the event loop. */
    void onEnd(Runnable action) {
        onEnd = action;
        if (isOver()) {
            later(action);
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
        abort(ApiException.unavailable("the server is shutting down"));
    }

    /** The same with what a request hears whose answer nothing makes yet. */
    void abort(ApiException refusal) {
        Runnable action = onAbort;
        if (action != null) {
            action.run();
            return;
        }
        later(() -> {
            closeAfter();
            respond(refusal);
        });
    }

    /** What to do when a slow client has read what was written; runs on the event loop. */
    void onWritable(Runnable action) {
        onWritable = action;
    }

    /** What to do when the last byte of the answer has left for the client, or never will; runs on the event loop. */
    void onLeft(Runnable action) {
        onLeft.set(action);
    }

    /**
     * The same request with an answer that goes elsewhere and does not end with this client. What waits for the end of this exchange waits
     * for that of the other from now on, and what aborts this one aborts the other.
     *
     * @throws ApiException if this client has gone already: its request is no longer counted, so nothing may go on in its name
     */
    Exchange detached(AnswerSink elsewhere) {
        Runnable counted = onLeft.getAndSet(null);
        if (counted == null && isOver()) {
            throw ApiException.unavailable("the client has gone");
        }
        Exchange other = new Exchange(elsewhere, request, budget, watch, generating);
        other.background = true;
        other.route = route;
        other.principal = principal;
        other.admission = admission;
        other.onLeft.set(counted);
        onAbort = other::abort;
        return other;
    }

    boolean isWritable() {
        return sink.isWritable();
    }

    /** Answers with a whole body; a second answer is ignored. */
    void respond(int answerStatus, String contentType, byte[] content) {
        if (sink.loop().inEventLoop()) {
            respondNow(answerStatus, contentType, content);
        } else {
            later(() -> respondNow(answerStatus, contentType, content));
        }
    }

    /** On the event loop; not at all once that has ended with the server. */
    private void later(Runnable action) {
        try {
            sink.loop().execute(action);
        } catch (RejectedExecutionException e) {
            LOG.debug("request {}: the server is closed and its connections with it", requestId);
        }
    }

    void respondJson(int answerStatus, byte[] json) {
        respond(answerStatus, "application/json", json);
    }

    void respond(ApiException error) {
        if (error.retryAfterSeconds() > 0) {
            header("retry-after", Integer.toString(error.retryAfterSeconds()));
        }
        respondJson(error.status(), errors.json(error, requestId));
    }

    private void respondNow(int answerStatus, String contentType, byte[] content) {
        if (ended || headWritten) {
            return;
        }
        ended = true;
        status = disconnected ? CLIENT_GONE : answerStatus;
        endBody();
        boolean bare = answerStatus == 204 || answerStatus == 304;
        if (!bare) {
            header("content-type", contentType);
            header("content-length", Integer.toString(content.length));
        }
        boolean headOnly = bare || method().equals(HttpMethod.HEAD);
        sentBytes += sink.whole(head(), headOnly ? NOTHING : content, leaving(content.length));
        run(onEnd);
        over();
        sink.answered(this);
    }

    /** Answers with the head of a body of so many bytes, which was not asked for. */
    void respondHead(String contentType, long length) {
        later(() -> {
            if (!ended && !headWritten) {
                ended = true;
                status = 200;
                header("content-type", contentType);
                header("content-length", Long.toString(length));
                sentBytes += sink.whole(head(), NOTHING, leaving(0));
                run(onEnd);
                over();
                sink.answered(this);
            }
        });
    }

    /** A client that still sends is not read to the end. */
    private void endBody() {
        BodyStream stream = bodyStream;
        if (stream != null && !stream.isWhole()) {
            sink.closeAfter();
            stream.fail("the request was answered before its end");
        }
    }

    /** What the stream that is sent consists of, unless it is events. */
    void streamType(String contentType) {
        streamType = contentType;
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
        sentBytes += sink.part(headOnce(), pending, null);
        pending.clear();
    }

    /** Writes what {@link #event} holds and ends the answer. */
    void endStream() {
        if (ended) {
            return;
        }
        ended = true;
        sentBytes += sink.part(headOnce(), pending, leaving(pending.length()));
        pending.clear();
        run(onEnd);
        over();
        sink.answered(this);
    }

    /** Whether it was answered or the client has gone: nobody waits for what is made for it. Any thread. */
    boolean isOver() {
        return ended || disconnected;
    }

    boolean streamStarted() {
        return headWritten;
    }

    /** Ends the connection or stream without an end of the answer: for clients that do not read. On the event loop. */
    void cutOff() {
        sink.cutOff();
    }

    /** Called by the connection or stream when it is closed. */
    void disconnected() {
        if (ended || disconnected) {
            return;
        }
        disconnected = true;
        status = CLIENT_GONE;
        BodyStream stream = bodyStream;
        if (stream != null) {
            stream.fail("the client has gone before it had sent all");
        }
        run(onEnd);
        run(onLeft.getAndSet(null));
        over();
    }

    /** Tells once. On the event loop. */
    private void over() {
        if (over) {
            return;
        }
        over = true;
        overNanos = System.nanoTime();
        answerMemory.close();
        watch.answered(this);
        record.answered(() -> watch.settled(this));
    }

    private static void run(@Nullable Runnable action) {
        if (action != null) {
            action.run();
        }
    }

    /** Called by the connection or stream when it has become writable again. */
    void writable() {
        if (!ended) {
            run(onWritable);
        }
    }

    /** The head of a stream, the first time. */
    private AnswerSink.@Nullable Head headOnce() {
        if (headWritten) {
            return null;
        }
        headWritten = true;
        status = 200;
        header("content-type", streamType);
        header("cache-control", "no-cache");
        // Proxies of the nginx family would else buffer the stream.
        header("x-accel-buffering", "no");
        return head();
    }

    private AnswerSink.Head head() {
        return new AnswerSink.Head(status, List.copyOf(fields));
    }

    /** Counts the bytes of an answer's end until they have left. */
    private Runnable leaving(int bytes) {
        budget.takeForAnswer(bytes);
        sink.unread(bytes);
        return () -> {
            budget.giveBackAnswer(bytes);
            sink.unread(-bytes);
            run(onLeft.getAndSet(null));
        };
    }

    /** The host, and port if there is one, of a target as proxies send it; null if the target names none. */
    static @Nullable String authority(String target) {
        Matcher absolute = ABSOLUTE_FORM.matcher(target);
        return absolute.matches() ? absolute.group(1) : null;
    }

    private static String originForm(String target) {
        Matcher absolute = ABSOLUTE_FORM.matcher(target);
        if (!absolute.matches()) {
            return target;
        }
        String rest = absolute.group(2);
        return rest.startsWith("/") ? rest : "/" + rest;
    }
}
