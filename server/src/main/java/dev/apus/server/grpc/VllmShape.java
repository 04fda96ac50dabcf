package dev.apus.server.grpc;

import dev.apus.proto.vllm.GenerateComplete;
import dev.apus.proto.vllm.GenerateResponse;
import dev.apus.proto.vllm.GenerateStreamChunk;
import dev.apus.proto.vllm.InputLogProbs;
import dev.apus.proto.vllm.InputTokenLogProb;
import dev.apus.proto.vllm.OutputLogProbs;
import dev.apus.proto.vllm.TopLogProbs;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import dev.apus.server.http.CallOutput.Usage;
import dev.apus.server.http.Part;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Answers of vLLM's protocol: token ids in chunks, and a message at the end of each choice that has all of them. */
final class VllmShape implements Answer.Shape<GenerateResponse> {
    private final boolean stream;
    /** Tokens of the choices that have not ended. */
    private final Map<Integer, GenerateComplete.Builder> all = new HashMap<>();

    VllmShape(boolean stream) {
        this.stream = stream;
    }

    @Override
    public void begin(String answerId) {
        // The protocol's answers have none.
    }

    @Override
    public List<GenerateResponse> part(Part part) {
        GenerateComplete.Builder complete = all.computeIfAbsent(part.index(), index -> GenerateComplete.newBuilder());
        for (int i = 0; i < part.tokenCount(); i++) {
            complete.addOutputIds(part.token(i));
        }
        List<GenerateResponse> messages = new ArrayList<>(2);
        if (stream && part.tokenCount() > 0) {
            messages.add(GenerateResponse.newBuilder().setChunk(chunk(part)).build());
        }
        String finish = part.finishReason();
        if (finish != null) {
            all.remove(part.index());
            messages.add(GenerateResponse.newBuilder()
                    .setComplete(complete(complete, part, finish))
                    .build());
        }
        return messages;
    }

    private static GenerateStreamChunk.Builder chunk(Part part) {
        GenerateStreamChunk.Builder chunk = GenerateStreamChunk.newBuilder()
                .setIndex(part.index())
                .setPromptTokens(part.promptIds().length)
                .setCompletionTokens(part.completionTokens())
                .setCachedTokens(part.cachedTokens());
        for (int i = 0; i < part.tokenCount(); i++) {
            chunk.addTokenIds(part.token(i));
        }
        if (!part.logprobs().isEmpty()) {
            chunk.setOutputLogprobs(output(part.logprobs()));
        }
        return chunk;
    }

    private GenerateComplete.Builder complete(GenerateComplete.Builder complete, Part part, String finish) {
        complete.setIndex(part.index())
                .setFinishReason(finish)
                .setPromptTokens(part.promptIds().length)
                .setCompletionTokens(part.completionTokens())
                .setCachedTokens(part.cachedTokens());
        switch (part.stopReason()) {
            case String text when finish.equals("stop") -> complete.setMatchedStopStr(text);
            case Integer id -> complete.setMatchedTokenId(id);
            case null, default -> {
                // It ended by itself.
            }
        }
        if (!stream && !part.logprobs().isEmpty()) {
            complete.setOutputLogprobs(output(part.logprobs()));
        }
        if (!part.promptLogprobs().isEmpty()) {
            complete.setInputLogprobs(input(part));
        }
        return complete;
    }

    @Override
    public @Nullable GenerateResponse end(Usage usage) {
        return null;
    }

    @Override
    public List<GenerateResponse> whole(List<Part> parts, Usage usage) {
        List<GenerateResponse> messages = new ArrayList<>(parts.size());
        parts.forEach(part -> messages.addAll(part(part)));
        return messages;
    }

    private static OutputLogProbs output(List<TokenLogprobs> entries) {
        OutputLogProbs.Builder all = OutputLogProbs.newBuilder();
        for (TokenLogprobs entry : entries) {
            all.addTokenIds(entry.id()).addTokenLogprobs(entry.logprob()).addTopLogprobs(top(entry));
        }
        return all.build();
    }

    /** The first token follows nothing and has none. */
    private static InputLogProbs input(Part part) {
        InputLogProbs.Builder all = InputLogProbs.newBuilder()
                .addTokenIds(part.promptIds()[0])
                .addTokenLogprobs(InputTokenLogProb.getDefaultInstance())
                .addTopLogprobs(TopLogProbs.getDefaultInstance());
        for (TokenLogprobs entry : part.promptLogprobs()) {
            all.addTokenIds(entry.id())
                    .addTokenLogprobs(InputTokenLogProb.newBuilder().setValue(entry.logprob()))
                    .addTopLogprobs(top(entry));
        }
        return all.build();
    }

    private static TopLogProbs top(TokenLogprobs entry) {
        TopLogProbs.Builder top = TopLogProbs.newBuilder();
        for (int k = 0; k < entry.topIds().length; k++) {
            top.addTokenIds(entry.topIds()[k]).addValues(entry.topLogprobs()[k]);
        }
        return top.build();
    }
}
