package dev.apus.server.grpc;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.proto.v1.ChatRequest;
import dev.apus.proto.v1.DetokenizeRequest;
import dev.apus.proto.v1.DetokenizeResponse;
import dev.apus.proto.v1.EmbedRequest;
import dev.apus.proto.v1.EmbedResponse;
import dev.apus.proto.v1.Embedding;
import dev.apus.proto.v1.GenerateRequest;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.GetLoadsRequest;
import dev.apus.proto.v1.GetLoadsResponse;
import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.ListModelsRequest;
import dev.apus.proto.v1.ListModelsResponse;
import dev.apus.proto.v1.Model;
import dev.apus.proto.v1.Sampling;
import dev.apus.proto.v1.TokenizeRequest;
import dev.apus.proto.v1.TokenizeResponse;
import dev.apus.proto.v1.Usage;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.CallSession;
import dev.apus.server.http.FrontEnd;
import io.grpc.stub.StreamObserver;
import java.util.List;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code apus.v1.Inference}: text in and out. Thread-safe. */
final class InferenceService extends InferenceGrpc.InferenceImplBase {
    private final FrontEnd front;

    InferenceService(FrontEnd front) {
        this.front = front;
    }

    @Override
    public void chat(ChatRequest request, StreamObserver<GenerationResponse> answer) {
        chat(request, false, answer);
    }

    @Override
    public void chatStream(ChatRequest request, StreamObserver<GenerationResponse> answer) {
        chat(request, true, answer);
    }

    @Override
    public void generate(GenerateRequest request, StreamObserver<GenerationResponse> answer) {
        generate(request, false, answer);
    }

    @Override
    public void generateStream(GenerateRequest request, StreamObserver<GenerationResponse> answer) {
        generate(request, true, answer);
    }

    private void chat(ChatRequest request, boolean stream, StreamObserver<GenerationResponse> answer) {
        GrpcServices.answering(
                answer,
                session -> session.chat(Parameters.chat(request, stream), output(request.getSampling(), answer)));
    }

    private void generate(GenerateRequest request, boolean stream, StreamObserver<GenerationResponse> answer) {
        GrpcServices.answering(
                answer,
                session -> session.completion(
                        Parameters.completion(request, stream, session), output(request.getSampling(), answer)));
    }

    private Answer<GenerationResponse> output(Sampling sampling, StreamObserver<GenerationResponse> answer) {
        ServedModel model = front.model();
        return new Answer<>(new InferenceShape(model.tokenizer(), model.name(), sampling.getReturnTokenIds()), answer);
    }

    @Override
    public void embed(EmbedRequest request, StreamObserver<EmbedResponse> answer) {
        GrpcServices.answering(answer, session -> {
            CallSession.Vectors vectors = session.embed(Parameters.embedding(request));
            EmbedResponse.Builder response =
                    EmbedResponse.newBuilder().setModel(front.model().name());
            for (float[] vector : vectors.rows()) {
                Embedding.Builder embedding = response.addEmbeddingsBuilder();
                for (float value : vector) {
                    embedding.addValues(value);
                }
            }
            response.setUsage(Usage.newBuilder().setPromptTokens((int) vectors.tokens()));
            answer.onNext(response.build());
            answer.onCompleted();
        });
    }

    @Override
    public void tokenize(TokenizeRequest request, StreamObserver<TokenizeResponse> answer) {
        GrpcServices.answering(answer, session -> {
            int[] ids = session.tokenize(parameters(request));
            TokenizeResponse.Builder response =
                    TokenizeResponse.newBuilder().setMaxModelLen(front.model().maxModelLength());
            session.takeIds(ids.length);
            Tokenizer tokenizer = front.model().tokenizer();
            for (int id : ids) {
                response.addTokenIds(id);
                if (request.getReturnTokenStrs()) {
                    String text = tokenizer.token(id);
                    response.addTokenStrs(text == null ? "" : text);
                }
            }
            answer.onNext(response.build());
            answer.onCompleted();
        });
    }

    private static ObjectNode parameters(TokenizeRequest request) {
        ObjectNode parameters =
                request.hasChat() ? Parameters.chat(request.getChat(), false) : JsonNodeFactory.instance.objectNode();
        if (request.hasText()) {
            parameters.put("prompt", request.getText());
        }
        if (!request.getModel().isEmpty()) {
            parameters.put("model", request.getModel());
        }
        if (request.hasAddSpecialTokens()) {
            parameters.put("add_special_tokens", request.getAddSpecialTokens());
        }
        return parameters;
    }

    @Override
    public void detokenize(DetokenizeRequest request, StreamObserver<DetokenizeResponse> answer) {
        GrpcServices.answering(answer, session -> {
            session.checkModel(request.getModel());
            answer.onNext(DetokenizeResponse.newBuilder()
                    .setText(session.detokenize(ids(request.getTokenIdsList())))
                    .build());
            answer.onCompleted();
        });
    }

    private static int[] ids(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    @Override
    public void listModels(ListModelsRequest request, StreamObserver<ListModelsResponse> answer) {
        ServedModel model = front.model();
        answer.onNext(ListModelsResponse.newBuilder()
                .addModels(Model.newBuilder()
                        .setName(model.name())
                        .setMaxModelLen(model.maxModelLength())
                        .setVocabSize(model.vocabSize())
                        .setChat(model.chatTemplate() != null))
                .build());
        answer.onCompleted();
    }

    @Override
    public void getLoads(GetLoadsRequest request, StreamObserver<GetLoadsResponse> answer) {
        EngineStats stats = front.model().engine().stats();
        answer.onNext(GetLoadsResponse.newBuilder()
                .setRunningRequests(stats.running())
                .setWaitingRequests(stats.waiting())
                .setTotalBlocks(stats.totalBlocks())
                .setFreeBlocks(stats.freeBlocks())
                .setBlockSize(stats.blockSize())
                .setKvCacheUsage(stats.kvCacheUsage())
                .setPromptTokensTotal(stats.promptTokens())
                .setGenerationTokensTotal(stats.generationTokens())
                .setPrefixCacheQueriesTotal(stats.prefixCacheQueries())
                .setPrefixCacheHitsTotal(stats.prefixCacheHits())
                .setPreemptionsTotal(stats.preemptions())
                .setDraining(front.isDraining())
                .build());
        answer.onCompleted();
    }
}
