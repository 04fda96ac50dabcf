package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.util.concurrent.DefaultEventExecutor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** An exchange on its own. */
@Timeout(60)
class ExchangeTest {
    /** As when metrics are still being written while the server closes. */
    @Test
    void anAnswerAfterTheServersEndIsDropped() throws Exception {
        DefaultEventExecutor loop = new DefaultEventExecutor();
        loop.shutdownGracefully(0, 0, TimeUnit.MILLISECONDS).await();
        LineSink sink = new LineSink(loop);
        Exchange exchange = new Exchange(
                sink,
                new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/metrics"),
                new MemoryBudget(1000),
                RequestWatch.NONE);
        assertThatCode(() -> {
                    exchange.respond(200, "text/plain", new byte[1]);
                    exchange.abort();
                })
                .doesNotThrowAnyException();
        assertThat(sink.answer()).isNotDone();
    }
}
