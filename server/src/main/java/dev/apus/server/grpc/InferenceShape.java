package dev.apus.server.grpc;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.proto.v1.Choice;
import dev.apus.proto.v1.GenerationResponse;
import dev.apus.proto.v1.TokenLogprob;
import dev.apus.proto.v1.Usage;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import dev.apus.server.http.CallOutput;
import dev.apus.server.http.Part;
import java.util.List;

/** Answers of {@code apus.v1}. */
final class InferenceShape implements Answer.Shape<GenerationResponse> {
    private final Tokenizer tokenizer;
    private final GenerationResponse.Builder head;
    private final boolean promptIds;

    /** @param promptIds whether to tell the prompt's tokens */
    InferenceShape(Tokenizer tokenizer, String model, boolean promptIds) {
        this.tokenizer = tokenizer;
        this.promptIds = promptIds;
        head = GenerationResponse.newBuilder().setModel(model).setCreated(System.currentTimeMillis() / 1000);
    }

    @Override
    public void begin(String answerId) {
        head.setId(answerId);
    }

    @Override
    public List<GenerationResponse> part(Part part) {
        return List.of(head.clone().addChoices(choice(part)).build());
    }

    @Override
    public GenerationResponse end(CallOutput.Usage usage) {
        return head.clone().setUsage(usage(usage)).build();
    }

    @Override
    public List<GenerationResponse> whole(List<Part> parts, CallOutput.Usage usage) {
        GenerationResponse.Builder answer = head.clone().setUsage(usage(usage));
        parts.forEach(part -> answer.addChoices(choice(part)));
        return List.of(answer.build());
    }

    static Usage usage(CallOutput.Usage usage) {
        return Usage.newBuilder()
                .setPromptTokens(usage.promptTokens())
                .setCompletionTokens(usage.completionTokens())
                .setCachedTokens(usage.cachedTokens())
                .build();
    }

    private Choice choice(Part part) {
        Choice.Builder choice = Choice.newBuilder()
                .setIndex(part.index())
                .setText(part.text().toString())
                .setReasoning(part.reasoning().toString());
        String finish = part.finishReason();
        if (finish != null) {
            choice.setFinishReason(finish);
            switch (part.stopReason()) {
                case Integer id -> choice.setStopTokenId(id);
                case String text when finish.equals("stop") -> choice.setStop(text);
                case null, default -> {
                    // It ended by itself.
                }
            }
        }
        for (int i = 0; i < part.tokenCount(); i++) {
            choice.addTokenIds(part.token(i));
        }
        if (promptIds && part.isFirst()) {
            for (int id : part.promptIds()) {
                choice.addPromptTokenIds(id);
            }
        }
        part.logprobs().forEach(entry -> choice.addLogprobs(logprob(entry)));
        part.promptLogprobs().forEach(entry -> choice.addPromptLogprobs(logprob(entry)));
        return choice.build();
    }

    private TokenLogprob logprob(TokenLogprobs entry) {
        TokenLogprob.Builder one = TokenLogprob.newBuilder()
                .setId(entry.id())
                .setToken(bytes(entry.id()))
                .setLogprob(entry.logprob());
        if (entry.rank() > 0) {
            one.setRank(entry.rank());
        }
        for (int k = 0; k < entry.topIds().length; k++) {
            one.addTop(TokenLogprob.newBuilder()
                    .setId(entry.topIds()[k])
                    .setToken(bytes(entry.topIds()[k]))
                    .setLogprob(entry.topLogprobs()[k])
                    .setRank(k + 1));
        }
        return one.build();
    }

    private ByteString bytes(int id) {
        return UnsafeByteOperations.unsafeWrap(tokenizer.tokenBytes(id));
    }
}
