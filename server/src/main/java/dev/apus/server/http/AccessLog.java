package dev.apus.server.http;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes a line for each request once it is over: who asked for what, how it ended, how long it took and what it used. Never what was asked
 * or answered, and no key. A thread of its own writes; when that cannot keep up, lines are dropped and counted. Thread-safe.
 */
final class AccessLog implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AccessLog.class);
    /** About 4 MiB of lines: a second of a busy server. */
    private static final int MOST_WAITING = 8192;

    private static final int BUFFER = 64 << 10;
    /** How long it may take to notice the close. */
    private static final int LOOK_MILLIS = 200;

    private static final Duration LAST_LINES = Duration.ofSeconds(2);

    private final boolean json;
    private final OutputStream to;
    private final Runnable dropped;
    private final BlockingQueue<byte[]> lines = new ArrayBlockingQueue<>(MOST_WAITING);
    private final Thread writer;
    private boolean failed;
    private volatile boolean closing;

    /**
     * Starts to write.
     *
     * @param to is flushed whenever no line waits, and not closed
     * @param dropped is told of each line that is lost
     */
    AccessLog(AccessLogFormat format, OutputStream to, Runnable dropped) {
        json = format == AccessLogFormat.JSON;
        this.to = to;
        this.dropped = dropped;
        writer = Thread.ofPlatform().name("apus-access-log").daemon(true).start(this::writeLines);
    }

    /** Logs a request over HTTP. */
    void request(Exchange exchange) {
        RequestRecord record = exchange.record();
        AnswerSink.Origin origin = exchange.origin();
        LogLine line = begin(exchange.tookNanos(), exchange.requestId(), origin.remote(), origin.protocol());
        who(line, exchange, record.tenant());
        line.text("method", exchange.method().name())
                .text("route", exchange.route())
                .number("status", exchange.status())
                .millis("ms", exchange.tookNanos());
        long first = record.firstTokenNanos();
        usage(
                line,
                first == 0 ? -1 : first - exchange.arrivalNanos(),
                record.promptTokens(),
                record.cachedTokens(),
                record.generatedTokens(),
                record.finishReason());
        write(line.number("bytes_in", exchange.receivedBytes())
                .number("bytes_out", exchange.sentBytes())
                .text("trace_id", record.traceId()));
    }

    /** Logs a gRPC call. */
    void call(CallEnd call) {
        CallSession session = call.session();
        String remote = AnswerSink.Origin.of(call.remote(), "gRPC").remote();
        LogLine line = begin(call.nanos(), call.requestId(), remote, "gRPC");
        long first = Long.MAX_VALUE;
        long prompt = 0;
        long cached = 0;
        long generated = 0;
        String reason = null;
        String trace = null;
        if (session == null) {
            line.text("tenant", null).text("key", null);
        } else {
            String account = null;
            for (RequestRecord record : session.records()) {
                account = record.tenant() == null ? account : record.tenant();
                first = record.firstTokenNanos() == 0 ? first : Math.min(first, record.firstTokenNanos());
                prompt += record.promptTokens();
                cached += record.cachedTokens();
                generated += record.generatedTokens();
                trace = record.traceId() == null ? trace : record.traceId();
                reason = record.finishReason() == null ? reason : record.finishReason();
            }
            who(line, session.head(), account);
            first = first == Long.MAX_VALUE ? first : first - session.head().arrivalNanos();
        }
        line.text("method", "POST")
                .text("route", call.method().path())
                .text("grpc_status", call.code())
                .millis("ms", call.nanos());
        usage(line, first == Long.MAX_VALUE ? -1 : first, prompt, cached, generated, reason);
        write(line.number("bytes_in", call.bytesReceived())
                .number("bytes_out", call.bytesSent())
                .text("trace_id", trace));
    }

    private LogLine begin(long tookNanos, String requestId, String remote, String protocol) {
        // When it came.
        String time = Instant.now().minusNanos(tookNanos).toString();
        return new LogLine(json)
                .text("time", time)
                .text("request_id", requestId)
                .text("remote", remote)
                .text("protocol", protocol);
    }

    /** @param account on whose account the engine worked, if it did */
    private static void who(LogLine line, Exchange exchange, @Nullable String account) {
        line.text("tenant", account == null ? exchange.principal().tenant() : account)
                .text("key", exchange.principal().key());
    }

    /** @param firstNanos until the first token; negative if there was none */
    private static void usage(
            LogLine line, long firstNanos, long prompt, long cached, long generated, @Nullable String reason) {
        if (firstNanos < 0) {
            line.text("ttft_ms", null);
        } else {
            line.millis("ttft_ms", firstNanos);
        }
        line.number("prompt_tokens", prompt)
                .number("cached_tokens", cached)
                .number("completion_tokens", generated)
                .text("finish_reason", reason);
    }

    private void write(LogLine line) {
        if (!lines.offer(line.end())) {
            dropped.run();
        }
    }

    private void writeLines() {
        BufferedOutputStream out = new BufferedOutputStream(to, BUFFER);
        try {
            while (!closing || !lines.isEmpty()) {
                byte[] line = lines.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
                if (line != null) {
                    write(out, line);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void write(BufferedOutputStream out, byte[] line) {
        try {
            out.write(line);
            if (lines.isEmpty()) {
                out.flush();
            }
        } catch (IOException e) {
            dropped.run();
            if (!failed) {
                failed = true;
                LOG.warn("the access log cannot be written, lines are lost: {}", e.toString());
            }
        }
    }

    /** Writes the lines that wait, and ends the thread. */
    @Override
    public void close() {
        closing = true;
        try {
            if (!writer.join(LAST_LINES)) {
                LOG.warn("the access log does not take its last lines, {} are lost", lines.size());
                writer.interrupt();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
