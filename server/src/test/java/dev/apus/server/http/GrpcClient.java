package dev.apus.server.http;

import com.google.protobuf.Message;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;

/** grpc-java's client of a test's server. */
final class GrpcClient implements AutoCloseable {
    private final ManagedChannel channel;

    GrpcClient(int port) {
        channel =
                NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
    }

    ManagedChannel channel() {
        return channel;
    }

    /** The channel with a header on each call. */
    Channel with(String name, String value) {
        Metadata metadata = new Metadata();
        metadata.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value);
        return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
    }

    /** The error of a call that must fail. */
    static StatusRuntimeException error(ThrowingCallable call) {
        try {
            call.call();
        } catch (StatusRuntimeException e) {
            return e;
        } catch (Throwable e) {
            throw new AssertionError("the call failed in another way", e);
        }
        throw new AssertionError("the call must fail");
    }

    static Status.Code code(ThrowingCallable call) {
        return error(call).getStatus().getCode();
    }

    /** A detail of an error. */
    static <T extends Message> T detail(StatusRuntimeException error, Class<T> type) throws Exception {
        com.google.rpc.Status status = StatusProto.fromThrowable(error);
        if (status != null) {
            for (var any : status.getDetailsList()) {
                if (any.is(type)) {
                    return any.unpack(type);
                }
            }
        }
        throw new AssertionError("no " + type.getSimpleName() + " in " + status);
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    /** Collects a stream, as slowly as the test wants. */
    static final class Collector<Q, A> implements ClientResponseObserver<Q, A> {
        final List<A> messages = new CopyOnWriteArrayList<>();
        private final CountDownLatch ended = new CountDownLatch(1);
        private final int first;
        private volatile @Nullable ClientCallStreamObserver<Q> call;
        private volatile Status status = Status.OK;

        /** @param first messages taken without being asked; negative for all */
        Collector(int first) {
            this.first = first;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<Q> started) {
            call = started;
            if (first >= 0) {
                started.disableAutoRequestWithInitial(first);
            }
        }

        ClientCallStreamObserver<Q> call() {
            ClientCallStreamObserver<Q> started = call;
            if (started == null) {
                throw new AssertionError("the call has not started");
            }
            return started;
        }

        @Override
        public void onNext(A message) {
            messages.add(message);
        }

        @Override
        public void onError(Throwable cause) {
            status = Status.fromThrowable(cause);
            ended.countDown();
        }

        @Override
        public void onCompleted() {
            ended.countDown();
        }

        boolean hasEnded() {
            return ended.getCount() == 0;
        }

        /** Waits for the end and returns how it was. */
        Status.Code end() throws InterruptedException {
            if (!ended.await(20, TimeUnit.SECONDS)) {
                throw new AssertionError("the stream has not ended within 20 s");
            }
            return status.getCode();
        }
    }
}
