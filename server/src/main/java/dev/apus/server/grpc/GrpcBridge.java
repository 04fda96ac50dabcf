package dev.apus.server.grpc;

import dev.apus.server.http.CallEnd;
import dev.apus.server.http.GrpcMethod;
import io.grpc.Metadata;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.util.AsciiString;
import io.netty.util.ReferenceCountUtil;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One HTTP/2 stream as a gRPC call: reads the head, finds the method, cuts the body into messages, and tells the call of the stream's end.
 * The stream's frames come from Netty's multiplexer; flow control is the stream's own, so that a slow reader holds back only itself.
 */
// Netty futures: a failed write ends the stream, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class GrpcBridge extends ChannelInboundHandlerAdapter {
    private static final Logger LOG = LoggerFactory.getLogger(GrpcBridge.class);
    private static final int MOST_SHOWN = 100;

    private final GrpcServer server;
    private @Nullable GrpcCall<?, ?> call;
    private @Nullable Deframer deframer;
    private boolean refused;

    GrpcBridge(GrpcServer server) {
        this.server = server;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        try {
            switch (message) {
                case Http2HeadersFrame head when call == null && !refused -> begin(context, head);
                case Http2HeadersFrame trailers -> endIf(trailers.isEndStream());
                case Http2DataFrame data -> {
                    take(data);
                    endIf(data.isEndStream());
                }
                default -> {
                    // Frames of the connection's own are not for a stream.
                }
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    private void begin(ChannelHandlerContext context, Http2HeadersFrame frame) {
        Http2Headers head = frame.headers();
        CharSequence type = head.get(GrpcHeaders.CONTENT_TYPE);
        if (!GrpcHeaders.isGrpc(type) || !AsciiString.contentEquals("POST", head.method())) {
            refuseHttp(context, AsciiString.contentEquals("POST", head.method()) ? "415" : "405", frame.isEndStream());
            return;
        }
        GrpcRequest request;
        try {
            request = request(head);
        } catch (StatusRuntimeException e) {
            refuseUnknown(context, e.getStatus(), frame.isEndStream());
            return;
        }
        ServerMethodDefinition<?, ?> known = server.method(request.method());
        ServerMethodDefinition<?, ?> method = known == null ? UnknownMethod.of(shorten(request.method())) : known;
        GrpcCall<?, ?> started =
                new GrpcCall<>(context, method, request, server.limits(), server.watch(), server.workers());
        call = started;
        // The services' front end takes it for the client's own.
        head.set(GrpcHeaders.REQUEST_ID, started.requestId());
        CallAdmission admission;
        try {
            // Those without a key do not learn what there is.
            admission = server.gate().admit(started, head, known == null ? GrpcServer.UNKNOWN : request.method());
        } catch (StatusRuntimeException e) {
            Metadata trailers = e.getTrailers();
            started.close(e.getStatus(), trailers == null ? new Metadata() : trailers);
            return;
        }
        deframer = new Deframer(
                server.limits().messageBytes(admission), request.compressed(), admission, started::received);
        started.start(admission);
        endIf(frame.isEndStream());
    }

    private static GrpcRequest request(Http2Headers head) {
        CharSequence encoding = head.get(GrpcHeaders.ENCODING, AsciiString.of("identity"));
        boolean gzip = AsciiString.contentEquals("gzip", encoding);
        if (!gzip && !AsciiString.contentEquals("identity", encoding)) {
            throw Status.UNIMPLEMENTED
                    .withDescription(
                            "messages are encoded by '" + shorten(encoding) + "', only gzip and identity are known")
                    .asRuntimeException();
        }
        try {
            CharSequence timeout = head.get(GrpcHeaders.TIMEOUT);
            Metadata metadata = GrpcHeaders.metadata(head);
            String path = String.valueOf(head.path());
            return new GrpcRequest(
                    path.startsWith("/") ? path.substring(1) : path,
                    head.authority() == null ? null : head.authority().toString(),
                    timeout == null ? null : (Long) GrpcTimeout.nanos(timeout),
                    gzip,
                    metadata);
        } catch (IllegalArgumentException e) {
            throw Status.INVALID_ARGUMENT
                    .withDescription("the call's headers are wrong: " + e.getMessage())
                    .asRuntimeException();
        }
    }

    private void take(Http2DataFrame data) {
        Deframer into = deframer;
        GrpcCall<?, ?> to = call;
        if (into == null || to == null || to.isClosed()) {
            return;
        }
        to.bytesReceived(data.content().readableBytes());
        try {
            into.add(data.content());
            to.inMessage(into.inMessage());
        } catch (StatusRuntimeException e) {
            deframer = null;
            to.refuse(e.getStatus());
        }
    }

    private void endIf(boolean ended) {
        GrpcCall<?, ?> to = call;
        if (!ended || to == null) {
            return;
        }
        Deframer from = deframer;
        if (from != null && from.inMessage()) {
            to.refuse(Status.INTERNAL.withDescription("the request ends within a message"));
        }
        to.inputEnded();
    }

    private void refuseUnknown(ChannelHandlerContext context, Status status, boolean ended) {
        server.watch().began(GrpcMethod.UNKNOWN);
        server.watch()
                .ended(new CallEnd(
                        GrpcMethod.UNKNOWN,
                        CallWatch.name(status.getCode()),
                        "-",
                        context.channel().remoteAddress(),
                        0,
                        0,
                        0,
                        0,
                        0,
                        null));
        refuse(context, status, ended);
    }

    /** Answers a call that has no service. */
    private void refuse(ChannelHandlerContext context, Status status, boolean ended) {
        refused = true;
        context.write(new DefaultHttp2HeadersFrame(GrpcHeaders.trailers(status, new Metadata(), true), true));
        reset(context, ended);
    }

    /** Answers what is no gRPC call. */
    private void refuseHttp(ChannelHandlerContext context, String status, boolean ended) {
        refused = true;
        context.write(new DefaultHttp2HeadersFrame(new DefaultHttp2Headers().status(status), true));
        reset(context, ended);
    }

    private static void reset(ChannelHandlerContext context, boolean ended) {
        if (!ended) {
            context.write(new DefaultHttp2ResetFrame(Http2Error.NO_ERROR));
        }
        context.flush();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof Http2ResetFrame) {
            gone();
        }
        context.fireUserEventTriggered(event);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        gone();
        context.fireChannelInactive();
    }

    private void gone() {
        GrpcCall<?, ?> to = call;
        if (to != null) {
            to.gone();
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
        GrpcCall<?, ?> to = call;
        if (to != null) {
            to.writabilityChanged();
        }
        context.fireChannelWritabilityChanged();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        // A stream error of the client's, or a connection that broke: nothing of the server's is at fault.
        LOG.debug("a gRPC stream failed", cause);
        if (cause instanceof Http2Exception fault) {
            // The codec counts resets for faults of the client's, and not the one that closing sends.
            context.writeAndFlush(new DefaultHttp2ResetFrame(fault.error()));
        }
        context.close();
    }

    private static String shorten(CharSequence text) {
        return text.length() <= MOST_SHOWN ? text.toString() : text.subSequence(0, MOST_SHOWN) + "...";
    }
}
