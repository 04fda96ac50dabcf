package dev.apus.server.http;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.ssl.ApplicationProtocolNames;
import io.netty.handler.ssl.ApplicationProtocolNegotiationHandler;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sets up a connection for the protocol that client and server have agreed on while they set up TLS. */
// Netty futures: a failed close has closed.
@SuppressWarnings("FutureReturnValueIgnored")
final class AlpnChooser extends ApplicationProtocolNegotiationHandler {
    private static final Logger LOG = LoggerFactory.getLogger(AlpnChooser.class);

    private final Protocols protocols;
    private final boolean watchOnly;

    AlpnChooser(Protocols protocols, boolean watchOnly) {
        super(ApplicationProtocolNames.HTTP_1_1);
        this.protocols = protocols;
        this.watchOnly = watchOnly;
    }

    @Override
    protected void configurePipeline(ChannelHandlerContext context, String protocol) {
        if (protocol.equals(ApplicationProtocolNames.HTTP_2)) {
            protocols.http2(context.channel(), watchOnly);
        } else {
            protocols.http1(context.channel(), watchOnly, false);
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
        if (event instanceof ChannelInputShutdownEvent) {
            context.close();
        } else {
            super.userEventTriggered(context, event);
        }
    }

    /** Scanners, clients without TLS, and clients that do not trust the certificate are everyday matters. */
    @Override
    protected void handshakeFailure(ChannelHandlerContext context, Throwable cause) {
        LOG.debug("no TLS with {}: {}", context.channel().remoteAddress(), cause.toString());
        context.close();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        handshakeFailure(context, cause);
    }
}
