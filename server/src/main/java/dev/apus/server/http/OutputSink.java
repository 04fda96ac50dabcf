package dev.apus.server.http;

import io.netty.util.concurrent.EventExecutor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The end of an exchange whose answer a {@link CallOutput} sends: only that it ends, and how, is told through here. */
final class OutputSink implements AnswerSink {
    private final Caller caller;
    private final CallOutput output;
    private final Consumer<Exchange> answered;
    private volatile @Nullable ApiException error;

    /** @param answered is told of the exchange when it has been answered */
    OutputSink(Caller caller, CallOutput output, Consumer<Exchange> answered) {
        this.caller = caller;
        this.output = output;
        this.answered = answered;
    }

    /** Why the answer will end. */
    void failed(ApiException why) {
        error = why;
    }

    @Override
    public Origin origin() {
        return Origin.of(caller.remote(), "gRPC");
    }

    @Override
    public EventExecutor loop() {
        return caller.loop();
    }

    @Override
    public boolean isWritable() {
        return caller.isWritable();
    }

    @Override
    public void closeAfter() {
        // The connection is others' too.
    }

    @Override
    public long whole(Head head, byte[] body, Runnable left) {
        ApiException why = error;
        if (why == null && head.status() >= 400) {
            why = head.status() == 503
                    ? ApiException.unavailable("the server is shutting down")
                    : new ApiException(head.status(), "the request was not answered", null, null, 0);
        }
        output.done(why, left);
        return body.length;
    }

    @Override
    public long part(@Nullable Head head, JsonOut data, @Nullable Runnable left) {
        if (left != null) {
            output.done(error, left);
        }
        return data.length();
    }

    @Override
    public void cutOff() {
        caller.cutOff();
    }

    @Override
    public void authorised() {
        caller.connection().pipeline().fireUserEventTriggered(Protocols.Authorised.ONCE);
    }

    @Override
    public void answered(Exchange exchange) {
        answered.accept(exchange);
    }
}
