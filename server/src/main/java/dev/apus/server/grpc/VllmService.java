package dev.apus.server.grpc;

import dev.apus.proto.smg.GetTokenizerChunk;
import dev.apus.proto.smg.GetTokenizerRequest;
import dev.apus.proto.smg.KvEventBatch;
import dev.apus.proto.smg.SubscribeKvEventsRequest;
import dev.apus.proto.vllm.AbortRequest;
import dev.apus.proto.vllm.AbortResponse;
import dev.apus.proto.vllm.EmbedRequest;
import dev.apus.proto.vllm.EmbedResponse;
import dev.apus.proto.vllm.GenerateRequest;
import dev.apus.proto.vllm.GenerateResponse;
import dev.apus.proto.vllm.GetLoadsRequest;
import dev.apus.proto.vllm.GetLoadsResponse;
import dev.apus.proto.vllm.GetModelInfoRequest;
import dev.apus.proto.vllm.GetModelInfoResponse;
import dev.apus.proto.vllm.GetServerInfoRequest;
import dev.apus.proto.vllm.GetServerInfoResponse;
import dev.apus.proto.vllm.HealthCheckRequest;
import dev.apus.proto.vllm.HealthCheckResponse;
import dev.apus.proto.vllm.SchedulerLoad;
import dev.apus.proto.vllm.VllmEngineGrpc;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.ApiException;
import dev.apus.server.http.CallOutput;
import dev.apus.server.http.CallSession;
import dev.apus.server.http.FrontEnd;
import dev.apus.server.http.Part;
import io.grpc.stub.StreamObserver;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/** {@code vllm.grpc.engine.VllmEngine}: token ids in and out, for routers that render and tokenise themselves. Thread-safe. */
final class VllmService extends VllmEngineGrpc.VllmEngineImplBase {
    private static final int MOST_ID_LENGTH = 512;

    /** A request as clients name it: ids of different tenants do not meet. */
    private record Name(String tenant, String requestId) {}

    private final FrontEnd front;
    private final Map<Name, Runnable> running = new ConcurrentHashMap<>();
    private final long startNanos = System.nanoTime();
    private volatile double lastRequestSeconds;

    VllmService(FrontEnd front) {
        this.front = front;
    }

    @Override
    public void generate(GenerateRequest request, StreamObserver<GenerateResponse> answer) {
        lastRequestSeconds = System.currentTimeMillis() / 1000.0;
        GrpcServices.answering(answer, session -> generate(request, session, answer));
    }

    private void generate(GenerateRequest request, CallSession session, StreamObserver<GenerateResponse> answer) {
        String id = request.getRequestId();
        if (id.length() > MOST_ID_LENGTH) {
            throw ApiException.invalid(
                    "request_id",
                    "'request_id' has " + id.length() + " characters, at most " + MOST_ID_LENGTH + " are allowed");
        }
        var parameters = VllmParameters.of(request, session, front.model().maxModelLength());
        Name name = new Name(session.tenant(), id);
        Abortable abortable = new Abortable();
        if (!id.isEmpty() && running.putIfAbsent(name, abortable) != null) {
            throw new ApiException(
                    409, "a request with the id '" + id + "' is running", "request_id", "request_id_in_use", 0);
        }
        boolean started = false;
        try {
            CallOutput output = new Answer<>(new VllmShape(request.getStream()), answer);
            abortable.set(session.completion(parameters, new Named(output, name, abortable)));
            started = true;
        } finally {
            if (!started) {
                running.remove(name, abortable);
            }
        }
    }

    /** Ends a request that may not have been started yet. */
    private static final class Abortable implements Runnable {
        private @Nullable Runnable abort;
        private boolean wanted;

        synchronized void set(Runnable action) {
            abort = action;
            if (wanted) {
                action.run();
            }
        }

        @Override
        public synchronized void run() {
            wanted = true;
            Runnable action = abort;
            if (action != null) {
                action.run();
            }
        }
    }

    /** An answer whose request can be aborted by name until it is done. */
    private final class Named implements CallOutput {
        private final CallOutput output;
        private final Name name;
        private final Abortable abortable;

        Named(CallOutput output, Name name, Abortable abortable) {
            this.output = output;
            this.name = name;
            this.abortable = abortable;
        }

        @Override
        public void begin(String answerId) {
            output.begin(answerId);
            GrpcServices.transport().onLeft(() -> running.remove(name, abortable));
        }

        @Override
        public void part(Part part) {
            output.part(part);
        }

        @Override
        public void end(Usage usage) {
            output.end(usage);
        }

        @Override
        public void whole(List<Part> parts, Usage usage) {
            output.whole(parts, usage);
        }

        @Override
        public void done(@Nullable ApiException error, Runnable left) {
            // The name may be another request's by now.
            running.remove(name, abortable);
            output.done(error, left);
        }
    }

    @Override
    public void abort(AbortRequest request, StreamObserver<AbortResponse> answer) {
        GrpcServices.answering(answer, session -> {
            for (String id : request.getRequestIdsList()) {
                Runnable abort = running.get(new Name(session.tenant(), id));
                if (abort != null) {
                    abort.run();
                }
            }
            answer.onNext(AbortResponse.getDefaultInstance());
            answer.onCompleted();
        });
    }

    @Override
    public void healthCheck(HealthCheckRequest request, StreamObserver<HealthCheckResponse> answer) {
        boolean ready = front.isReady();
        answer.onNext(HealthCheckResponse.newBuilder()
                .setHealthy(ready)
                .setMessage(ready ? "Health" : whyNotReady())
                .build());
        answer.onCompleted();
    }

    private String whyNotReady() {
        if (front.isDraining()) {
            return "the server is shutting down";
        }
        return front.isPaused() ? "the server is paused by its administrator" : "the engine has ended";
    }

    @Override
    public void getModelInfo(GetModelInfoRequest request, StreamObserver<GetModelInfoResponse> answer) {
        ServedModel model = front.model();
        answer.onNext(GetModelInfoResponse.newBuilder()
                .setModelPath(model.name())
                .setServedModelName(model.name())
                .setTokenizerPath(model.name())
                .setIsGeneration(model.generates())
                .setMaxContextLength(model.maxModelLength())
                .setMaxReqInputLen(model.maxModelLength() - 1)
                .setVocabSize(model.vocabSize())
                .addAllEosTokenIds(model.eosIds())
                .setPadTokenId(model.tokenizer().padId())
                .setBosTokenId(model.tokenizer().bosId())
                .setDefaultSamplingParamsJson(JsonMapper.shared().writeValueAsString(model.generationDefaults()))
                .build());
        answer.onCompleted();
    }

    @Override
    public void getServerInfo(GetServerInfoRequest request, StreamObserver<GetServerInfoResponse> answer) {
        EngineStats stats = front.model().engine().stats();
        answer.onNext(GetServerInfoResponse.newBuilder()
                .setActiveRequests(stats.running() + stats.waiting())
                .setIsPaused(front.isPaused() || front.isDraining())
                .setLastReceiveTimestamp(lastRequestSeconds)
                .setUptimeSeconds((System.nanoTime() - startNanos) / 1e9)
                .setServerType("vllm-grpc")
                .setDataParallelSize(1)
                .build());
        answer.onCompleted();
    }

    @Override
    public void getLoads(GetLoadsRequest request, StreamObserver<GetLoadsResponse> answer) {
        EngineStats stats = front.model().engine().stats();
        int used = stats.totalBlocks() - stats.freeBlocks();
        SchedulerLoad.Builder load = SchedulerLoad.newBuilder()
                .setNumRunningReqs(stats.running())
                .setNumWaitingReqs(stats.waiting())
                .setNumTotalReqs(stats.running() + stats.waiting())
                .setNumUsedTokens(used * stats.blockSize())
                .setMaxTotalNumTokens(stats.totalBlocks() * stats.blockSize())
                .setTokenUsage(stats.kvCacheUsage());
        if (stats.prefixCacheQueries() > 0) {
            load.setCacheHitRate((double) stats.prefixCacheHits() / stats.prefixCacheQueries());
        }
        GetLoadsResponse.Builder response = GetLoadsResponse.newBuilder()
                .setTimestamp(Instant.now().toString())
                .setVersion(FrontEnd.version())
                .setDpRankCount(1);
        if (request.getDpRank() == 0) {
            response.addLoads(load);
        }
        answer.onNext(response.build());
        answer.onCompleted();
    }

    @Override
    public void embed(EmbedRequest request, StreamObserver<EmbedResponse> answer) {
        GrpcServices.answering(answer, session -> {
            CallSession.Vectors vectors = session.embed(VllmParameters.of(request, session));
            float[] vector = vectors.rows().getFirst();
            EmbedResponse.Builder response = EmbedResponse.newBuilder()
                    .setPromptTokens((int) vectors.tokens())
                    .setEmbeddingDim(vector.length);
            for (float value : vector) {
                response.addEmbedding(value);
            }
            answer.onNext(response.build());
            answer.onCompleted();
        });
    }

    @Override
    public void getTokenizer(GetTokenizerRequest request, StreamObserver<GetTokenizerChunk> answer) {
        answer.onError(
                GrpcErrors.unimplemented(
                        "GetTokenizer is not served: give the router the model's folder; apus.v1.Inference/Tokenize encodes texts"));
    }

    @Override
    public void subscribeKvEvents(SubscribeKvEventsRequest request, StreamObserver<KvEventBatch> answer) {
        answer.onError(GrpcErrors.unimplemented(
                "SubscribeKvEvents is not served: this server does not publish events of its KV cache"));
    }
}
