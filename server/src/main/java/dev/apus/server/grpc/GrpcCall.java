package dev.apus.server.grpc;

import dev.apus.server.http.CallEnd;
import dev.apus.server.http.FrontEnd;
import dev.apus.server.http.GrpcMethod;
import io.grpc.Attributes;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.net.SocketAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A call of grpc-java's service layer over one stream of Netty's HTTP/2. Its state belongs to the stream's event loop; what a service does
 * from other threads is handed over in order. The service's callbacks run one after another on the server's workers.
 */
// Netty futures: a failed write ends the stream, of which channelInactive tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class GrpcCall<Q, A> extends ServerCall<Q, A> implements GrpcTransport {
    private static final Logger LOG = LoggerFactory.getLogger(GrpcCall.class);

    /** Bytes that are written at a time: that a client takes them is seen when it has taken a part. */
    private static final int PART = 16 << 10;

    private static final Metadata.Key<String> REQUEST_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

    private final ChannelHandlerContext context;
    private final ServerMethodDefinition<Q, A> definition;
    private final GrpcRequest request;
    private final GrpcServer.Limits limits;
    private final Executor serial;
    private final Attributes attributes;

    private final CallWatch watch;
    private final GrpcMethod name;
    private final String requestId;
    private final long begun = System.nanoTime();
    private long messagesReceived;
    private long messagesSent;
    private long bytesReceived;
    private long bytesSent;

    private final Queue<Deframer.Frame> received = new ArrayDeque<>();
    private int wanted;
    private boolean inputEnded;
    private boolean inputEndTold;
    private boolean headSent;
    private boolean closed;
    private boolean mayCompress;
    private @Nullable Future<?> deadline;
    private final ReadTimer reading;
    private final StallTimer stall;
    private final List<Runnable> onLeft = new ArrayList<>();
    private boolean left;
    private @Nullable CallAdmission admission;
    private volatile boolean cancelled;
    /** Callbacks only. */
    private @Nullable Listener<Q> listener;

    GrpcCall(
            ChannelHandlerContext context,
            ServerMethodDefinition<Q, A> definition,
            GrpcRequest request,
            GrpcServer.Limits limits,
            CallWatch watch,
            Executor workers) {
        this.context = context;
        this.definition = definition;
        this.request = request;
        this.limits = limits;
        this.watch = watch;
        name = CallWatch.name(definition.getMethodDescriptor());
        String given = request.metadata().get(REQUEST_ID);
        requestId = given != null && FrontEnd.isRequestId(given) ? given : FrontEnd.newRequestId();
        serial = new SerialExecutor(workers);
        mayCompress = request.compressed();
        reading = new ReadTimer(context.executor(), limits.readTimeout(), this::late);
        stall = new StallTimer(context.executor(), limits.stallTimeout(), this::cutOff);
        Attributes.Builder known = Attributes.newBuilder().set(GrpcTransport.KEY, this);
        if (context.channel().remoteAddress() != null) {
            known.set(Grpc.TRANSPORT_ATTR_REMOTE_ADDR, context.channel().remoteAddress());
        }
        attributes = known.build();
        watch.began(name);
    }

    /** Begins the service's work; on the event loop. */
    void start(CallAdmission admitted) {
        admission = admitted;
        Long timeout = request.timeoutNanos();
        if (timeout != null) {
            deadline = loop().schedule(this::expire, timeout, TimeUnit.NANOSECONDS);
        }
        if (takesOneMessage()) {
            reading.start();
        }
        callback(() -> listener = definition.getServerCallHandler().startCall(this, request.metadata()));
        if (isWritable()) {
            tell(Listener::onReady);
        }
    }

    /** Takes a message of the client; on the event loop. */
    void received(Deframer.Frame frame) {
        messagesReceived++;
        if (!closed) {
            if (!takesOneMessage()) {
                reading.stop();
            }
            received.add(frame);
            deliver();
        }
    }

    /** Bytes of messages have come; on the event loop. */
    void bytesReceived(int count) {
        bytesReceived += count;
    }

    /** The id that its client gave, or one made here; told in the answer's head. */
    String requestId() {
        return requestId;
    }

    private boolean takesOneMessage() {
        return getMethodDescriptor().getType().clientSendsOneMessage();
    }

    /** What has come ends within a message, or does not; on the event loop. */
    void inMessage(boolean now) {
        if (closed || takesOneMessage()) {
            return;
        }
        if (!now) {
            reading.stop();
        } else if (context.channel().config().isAutoRead()) {
            reading.start();
        } else {
            reading.startHeldBack();
        }
    }

    /** The client sends no more; on the event loop. */
    void inputEnded() {
        inputEnded = true;
        reading.stop();
        deliver();
    }

    /** Whether nothing is taken any more; on the event loop. */
    boolean isClosed() {
        return closed;
    }

    /** The stream can take more, or no more for now; on the event loop. */
    void writabilityChanged() {
        if (!isWritable()) {
            stall.start();
            return;
        }
        stall.stop();
        if (!closed) {
            admission().writable();
            tell(Listener::onReady);
        } else if (!left) {
            stall.start();
        }
    }

    /** The client has gone or reset the stream; on the event loop. */
    void gone() {
        if (end(Status.CANCELLED)) {
            cancelled = true;
            tell(Listener::onCancel);
        }
        left();
    }

    private void late() {
        refuse(Status.CANCELLED.withDescription("the request was not sent in time"));
    }

    private void left() {
        left = true;
        stall.stop();
        onLeft.forEach(Runnable::run);
        onLeft.clear();
    }

    private void expire() {
        refuse(Status.DEADLINE_EXCEEDED.withDescription("the deadline of the call has passed"));
    }

    /** Ends the call for a fault of the client's, of the transport or of time: the service is told that it is cancelled. On the event loop. */
    void refuse(Status status) {
        if (end(status)) {
            cancelled = true;
            writeEnd(status, new Metadata());
            tell(Listener::onCancel);
        }
    }

    private void deliver() {
        while (!closed && wanted > 0 && !received.isEmpty()) {
            wanted--;
            Deframer.Frame frame = received.remove();
            tell(to -> read(to, frame));
        }
        if (!closed && inputEnded && received.isEmpty() && !inputEndTold) {
            inputEndTold = true;
            tell(Listener::onHalfClose);
        }
        // What nobody asks for waits at the client: the stream's window fills.
        boolean reads = closed || wanted > 0 || received.isEmpty();
        context.channel().config().setAutoRead(reads);
        reading.reads(reads);
    }

    private void read(Listener<Q> to, Deframer.Frame frame) {
        if (cancelled) {
            return;
        }
        CallAdmission admitted = admission();
        admitted.reading(frame.taken());
        to.onMessage(Codec.parse(getMethodDescriptor(), frame, limits.messageBytes(admitted), admitted));
    }

    private interface Callback<Q> {
        void run(Listener<Q> listener);
    }

    private void tell(Callback<Q> callback) {
        callback(() -> {
            Listener<Q> to = listener;
            if (to != null) {
                callback.run(to);
            }
        });
    }

    private void callback(Runnable action) {
        serial.execute(() -> {
            try {
                action.run();
            } catch (StatusRuntimeException e) {
                failed(e.getStatus(), e.getTrailers());
            } catch (Throwable e) {
                LOG.error("call to {} failed", getMethodDescriptor().getFullMethodName(), e);
                failed(Status.INTERNAL.withDescription("the server failed on this call, see its log"), null);
                if (e instanceof VirtualMachineError fatal && !(e instanceof StackOverflowError)) {
                    throw fatal;
                }
            }
        });
    }

    private void failed(Status status, @Nullable Metadata trailers) {
        onLoop(() -> {
            if (end(status)) {
                cancelled = true;
                writeEnd(status, trailers == null ? new Metadata() : trailers);
                tell(Listener::onCancel);
            }
        });
    }

    @Override
    public void request(int count) {
        onLoop(() -> {
            wanted = (int) Math.min(Integer.MAX_VALUE, (long) wanted + count);
            deliver();
        });
    }

    @Override
    public void sendHeaders(Metadata metadata) {
        onLoop(() -> {
            if (!closed && !headSent) {
                headSent = true;
                tellRequestId(metadata);
                context.write(new DefaultHttp2HeadersFrame(GrpcHeaders.head(metadata, mayCompress ? "gzip" : null)));
            }
        });
    }

    @Override
    public void sendMessage(A message) {
        onLoop(() -> {
            if (closed) {
                return;
            }
            ByteBuf frame;
            try {
                frame = Codec.frame(getMethodDescriptor(), message, context.alloc(), mayCompress);
            } catch (RuntimeException e) {
                LOG.error(
                        "an answer of {} could not be made",
                        getMethodDescriptor().getFullMethodName(),
                        e);
                refuse(Status.INTERNAL.withDescription("the answer could not be made, see the server's log"));
                return;
            }
            messagesSent++;
            bytesSent += frame.readableBytes();
            while (frame.readableBytes() > PART) {
                send(frame.readRetainedSlice(PART));
            }
            send(frame);
            context.flush();
        });
    }

    private void send(ByteBuf part) {
        int bytes = part.readableBytes();
        CallAdmission admitted = admission();
        admitted.sending(bytes);
        context.write(new DefaultHttp2DataFrame(part)).addListener(done -> {
            admitted.sent(bytes);
            stall.progress();
        });
    }

    @Override
    public void close(Status status, Metadata trailers) {
        onLoop(() -> {
            if (end(status)) {
                writeEnd(status, trailers).addListener(written -> {
                    if (written.isSuccess()) {
                        tell(Listener::onComplete);
                    } else {
                        cancelled = true;
                        tell(Listener::onCancel);
                    }
                });
            }
        });
    }

    /** From here on nothing is taken or sent; false if it was so before. */
    private boolean end(Status status) {
        if (closed) {
            return false;
        }
        closed = true;
        received.clear();
        CallAdmission ending = admission;
        if (ending != null) {
            ending.ended();
            // What callbacks before this one have taken is in use until they return.
            callback(ending::close);
        }
        reading.stop();
        Future<?> timer = deadline;
        if (timer != null) {
            timer.cancel(false);
        }
        context.channel().config().setAutoRead(true);
        watch.ended(new CallEnd(
                name,
                CallWatch.name(status.getCode()),
                requestId,
                remote(),
                System.nanoTime() - begun,
                messagesReceived,
                messagesSent,
                bytesReceived,
                bytesSent,
                ending == null ? null : ending.session()));
        return true;
    }

    private ChannelFuture writeEnd(Status status, Metadata trailers) {
        if (!headSent) {
            tellRequestId(trailers);
        }
        ChannelFuture written =
                context.write(new DefaultHttp2HeadersFrame(GrpcHeaders.trailers(status, trailers, !headSent), true));
        written.addListener(done -> left());
        if (!inputEnded) {
            // The client need not send the rest.
            context.write(new DefaultHttp2ResetFrame(Http2Error.NO_ERROR));
        }
        context.flush();
        if (!left) {
            stall.start();
        }
        return written;
    }

    private void tellRequestId(Metadata metadata) {
        metadata.discardAll(REQUEST_ID);
        metadata.put(REQUEST_ID, requestId);
    }

    private void onLoop(Runnable action) {
        if (loop().inEventLoop()) {
            action.run();
        } else {
            loop().execute(action);
        }
    }

    @Override
    public boolean isReady() {
        return isWritable();
    }

    @Override
    public boolean isCancelled() {
        return cancelled;
    }

    @Override
    public void setMessageCompression(boolean enabled) {
        onLoop(() -> mayCompress = enabled && request.compressed());
    }

    @Override
    public Attributes getAttributes() {
        return attributes;
    }

    @Override
    public @Nullable String getAuthority() {
        return request.authority();
    }

    @Override
    public MethodDescriptor<Q, A> getMethodDescriptor() {
        return definition.getMethodDescriptor();
    }

    @Override
    public Channel connection() {
        // A stream is a channel of its connection's.
        Channel parent = context.channel().parent();
        return parent == null ? context.channel() : parent;
    }

    @Override
    public @Nullable SocketAddress remote() {
        return context.channel().remoteAddress();
    }

    @Override
    public EventExecutor loop() {
        return context.executor();
    }

    @Override
    public @Nullable Long timeoutNanos() {
        return request.timeoutNanos();
    }

    @Override
    public boolean isWritable() {
        return context.channel().isWritable();
    }

    @Override
    public CallAdmission admission() {
        CallAdmission admitted = admission;
        if (admitted == null) {
            throw new IllegalStateException("the call was not let in yet");
        }
        return admitted;
    }

    @Override
    public void onLeft(Runnable action) {
        onLoop(() -> {
            if (left) {
                action.run();
            } else {
                onLeft.add(action);
            }
        });
    }

    @Override
    public void cutOff() {
        onLoop(() -> {
            context.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.ENHANCE_YOUR_CALM));
            gone();
        });
    }
}
