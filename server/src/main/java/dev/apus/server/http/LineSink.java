package dev.apus.server.http;

import io.netty.util.concurrent.EventExecutor;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Where the answer to a batch's request goes. */
final class LineSink implements AnswerSink {
    /**
     * An answer.
     *
     * @param retryAfterSeconds 0 if it does not say when to try again
     */
    record Answer(int status, int retryAfterSeconds, byte[] body) {}

    private final EventExecutor loop;
    private final CompletableFuture<Answer> answer = new CompletableFuture<>();

    /** @param loop makes the answer */
    LineSink(EventExecutor loop) {
        this.loop = loop;
    }

    CompletableFuture<Answer> answer() {
        return answer;
    }

    @Override
    public Origin origin() {
        return new Origin("-", "batch");
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
    public void closeAfter() {
        // There is no connection.
    }

    @Override
    public long whole(Head head, byte[] body, Runnable left) {
        int retryAfter = head.fields().stream()
                .filter(field -> field.name().equals("retry-after"))
                .mapToInt(field -> Integer.parseInt(field.value()))
                .findFirst()
                .orElse(0);
        left.run();
        answer.complete(new Answer(head.status(), retryAfter, body));
        return body.length;
    }

    @Override
    public long part(@Nullable Head head, JsonOut data, @Nullable Runnable left) {
        // What would be streamed is refused before.
        if (left != null) {
            left.run();
            cutOff();
        }
        return data.length();
    }

    @Override
    public void cutOff() {
        ApiException error = ApiException.unsupported("stream", "'stream' is not supported in a batch");
        answer.complete(new Answer(error.status(), 0, error.json()));
    }

    @Override
    public void answered(Exchange exchange) {}
}
