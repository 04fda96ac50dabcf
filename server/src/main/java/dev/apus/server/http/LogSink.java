package dev.apus.server.http;

import io.netty.util.concurrent.EventExecutor;
import org.jspecify.annotations.Nullable;

/** Where an answer goes that no client waits for: a stream into the response's log; a whole answer is kept by its renderer already. */
final class LogSink implements AnswerSink {
    private final EventExecutor loop;
    private final @Nullable ResponseLog log;
    private final Runnable grown;

    /**
     * @param loop makes the answer
     * @param grown called when the log has grown
     */
    LogSink(EventExecutor loop, @Nullable ResponseLog log, Runnable grown) {
        this.loop = loop;
        this.log = log;
        this.grown = grown;
    }

    @Override
    public Origin origin() {
        return new Origin("-", "background");
    }

    @Override
    public EventExecutor loop() {
        return loop;
    }

    @Override
    public boolean isWritable() {
        return true;
    }

    @Override
    public void closeAfter() {}

    @Override
    public long whole(Head head, byte[] body, Runnable left) {
        end();
        left.run();
        return body.length;
    }

    @Override
    public long part(@Nullable Head head, JsonOut data, @Nullable Runnable left) {
        int length = data.length();
        if (log != null && length > 0) {
            log.append(data.toBytes());
            grown.run();
        }
        if (left != null) {
            end();
            left.run();
        }
        return length;
    }

    private void end() {
        if (log != null) {
            log.end();
        }
    }

    @Override
    public void cutOff() {
        end();
    }

    @Override
    public void answered(Exchange exchange) {}
}
