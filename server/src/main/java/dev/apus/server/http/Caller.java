package dev.apus.server.http;

import io.netty.channel.Channel;
import io.netty.util.concurrent.EventExecutor;
import java.net.SocketAddress;
import org.jspecify.annotations.Nullable;

/** Who asks over a protocol that is not HTTP's own and waits for an answer: one stream of a connection. */
public interface Caller {
    /** Its address; null if that is not known. */
    @Nullable
    SocketAddress remote();

    /** The connection that the stream shares with others. */
    Channel connection();

    /** One of the server's event loops: the answer's parts are made on it. Any thread. */
    EventExecutor loop();

    /** Whether it takes what is sent without its piling up here. Any thread. */
    boolean isWritable();

    /** Ends the stream without an end of the answer: it does not read. On the event loop. */
    void cutOff();
}
