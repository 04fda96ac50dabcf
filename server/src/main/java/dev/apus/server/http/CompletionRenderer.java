package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A text completion as OpenAI's JSON. What does not change between the chunks of an answer is made once. Not thread-safe. */
final class CompletionRenderer implements Renderer {
    private static final byte[] TEXT_TAIL = OpenAiParts.ascii("\",\"logprobs\":");
    private static final byte[] PLAIN_TAIL =
            OpenAiParts.ascii("\",\"logprobs\":null,\"finish_reason\":null,\"stop_reason\":null}]");

    private final GenerationSpec spec;
    private final OpenAiParts parts;
    private final LogprobsWriter logprobs;
    private final Map<Integer, byte[]> choiceHeads = new HashMap<>();

    CompletionRenderer(String id, String modelName, String fingerprint, GenerationSpec spec, Tokenizer tokenizer) {
        this.spec = spec;
        parts = new OpenAiParts("text_completion", "text_completion", id, modelName, fingerprint, spec);
        logprobs = new LogprobsWriter(tokenizer, spec.tokensAsIds());
    }

    @Override
    public void chunk(JsonOut out, Choice choice) {
        out.raw(parts.chunkHead()).raw(choiceHeads.computeIfAbsent(choice.index(), CompletionRenderer::choiceHead));
        out.text(choice.text());
        if (spec.logprobs() < 0 && !spec.returnTokenIds() && choice.finishReason() == null) {
            out.raw(PLAIN_TAIL);
        } else {
            out.raw(TEXT_TAIL);
            logprobs(out, choice);
            OpenAiParts.finish(out, choice);
            tokenIds(out, choice, !choice.begun());
            out.raw("}]");
        }
        parts.endChunk(out, choice);
    }

    @Override
    public void end(JsonOut out, List<Choice> choices) {
        parts.end(out, choices);
    }

    @Override
    public void error(JsonOut out, ApiException error) {
        OpenAiParts.error(out, error);
    }

    @Override
    public byte[] whole(JsonOut out, List<Choice> choices) {
        out.raw(parts.wholeHead());
        List<Choice> best = best(choices);
        for (int i = 0; i < best.size(); i++) {
            Choice choice = best.get(i);
            out.raw(i > 0 ? ",{\"index\":" : "{\"index\":").number(i);
            out.raw(",\"text\":").string(choice.text()).raw(",\"logprobs\":");
            logprobs(out, choice);
            OpenAiParts.finish(out, choice);
            if (spec.promptLogprobs() >= 0) {
                out.raw(",\"prompt_logprobs\":");
                logprobs.prompt(out, choice.promptLogprobs());
            }
            tokenIds(out, choice, true);
            out.raw("}");
        }
        out.raw("]");
        parts.usage(out, choices);
        return out.raw("}").toBytes();
    }

    /** The choices to send: of the sequences of each prompt those of the likeliest tokens, in the order of their likelihood. */
    private List<Choice> best(List<Choice> choices) {
        if (spec.sequences() == spec.n()) {
            return choices;
        }
        List<Choice> best = new ArrayList<>();
        for (int first = 0; first < choices.size(); first += spec.sequences()) {
            choices.subList(first, first + spec.sequences()).stream()
                    .sorted(Comparator.comparingDouble(Choice::meanLogprob).reversed())
                    .limit(spec.n())
                    .forEach(best::add);
        }
        return best;
    }

    private void logprobs(JsonOut out, Choice choice) {
        if (spec.logprobs() < 0 || choice.logprobs().isEmpty()) {
            out.raw("null");
        } else {
            choice.textOffset = logprobs.completion(out, choice.logprobs(), choice.textOffset);
        }
    }

    private void tokenIds(JsonOut out, Choice choice, boolean first) {
        if (spec.returnTokenIds()) {
            if (first) {
                OpenAiParts.promptIds(out, choice);
            }
            out.raw(",\"token_ids\":").numbers(choice.ids(), choice.idCount());
        }
    }

    private static byte[] choiceHead(int index) {
        return OpenAiParts.ascii("{\"index\":" + index + ",\"text\":\"");
    }
}
