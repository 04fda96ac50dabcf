package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A chat's answer as OpenAI's JSON. What does not change between the chunks of an answer is made once. Not thread-safe. */
final class ChatRenderer implements Renderer {
    private static final byte[] TEXT_TAIL = OpenAiParts.ascii("\"},\"logprobs\":");
    private static final byte[] PLAIN_TAIL = OpenAiParts.ascii("\"},\"logprobs\":null,\"finish_reason\":null}]");

    private final GenerationSpec spec;
    private final OpenAiParts parts;
    private final LogprobsWriter logprobs;
    private final Map<Integer, byte[]> choiceHeads = new HashMap<>();

    ChatRenderer(String id, String modelName, String fingerprint, GenerationSpec spec, Tokenizer tokenizer) {
        this.spec = spec;
        parts = new OpenAiParts("chat.completion.chunk", "chat.completion", id, modelName, fingerprint, spec);
        logprobs = new LogprobsWriter(tokenizer, spec.tokensAsIds());
    }

    /** A choice's first event tells its role. */
    @Override
    public void chunk(JsonOut out, Choice choice) {
        if (!choice.begun()) {
            out.raw(parts.chunkHead()).raw("{\"index\":").number(choice.index());
            out.raw(",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]");
            if (spec.returnTokenIds()) {
                OpenAiParts.promptIds(out, choice);
            }
            parts.endChunk(out, choice);
        }
        out.raw(parts.chunkHead());
        if (choice.reasoning().isEmpty()) {
            out.raw(choiceHeads.computeIfAbsent(choice.index(), ChatRenderer::choiceHead));
            out.text(choice.text());
        } else {
            openReasoningDelta(out, choice);
        }
        if (spec.logprobs() < 0 && !spec.returnTokenIds() && choice.finishReason() == null) {
            out.raw(PLAIN_TAIL);
        } else {
            out.raw(TEXT_TAIL);
            logprobs(out, choice);
            OpenAiParts.finish(out, choice);
            tokenIds(out, choice);
            out.raw("}]");
        }
        parts.endChunk(out, choice);
    }

    /** As a choice's head and text, its last string open: thoughts, and an answer only if there is some. */
    private static void openReasoningDelta(JsonOut out, Choice choice) {
        out.raw("{\"index\":").number(choice.index()).raw(",\"delta\":{");
        openReasoning(out, choice.reasoning());
        if (!choice.text().isEmpty()) {
            out.raw("\",\"content\":\"").text(choice.text());
        }
    }

    /** Both names, the last string open: clients of vLLM read the first, those of DeepSeek and SGLang the second. */
    private static void openReasoning(JsonOut out, CharSequence thoughts) {
        out.raw("\"reasoning\":").string(thoughts);
        out.raw(",\"reasoning_content\":\"").text(thoughts);
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
        for (Choice choice : choices) {
            out.raw(choice.index() > 0 ? ",{\"index\":" : "{\"index\":").number(choice.index());
            message(out, choice);
            out.raw(",\"logprobs\":");
            logprobs(out, choice);
            OpenAiParts.finish(out, choice);
            tokenIds(out, choice);
            out.raw("}");
        }
        out.raw("]");
        parts.usage(out, choices);
        if (spec.promptLogprobs() >= 0) {
            out.raw(",\"prompt_logprobs\":");
            logprobs.prompt(out, choices.getFirst().promptLogprobs());
        }
        if (spec.returnTokenIds()) {
            OpenAiParts.promptIds(out, choices.getFirst());
        }
        return out.raw("}").toBytes();
    }

    private static void message(JsonOut out, Choice choice) {
        boolean thought = !choice.reasoning().isEmpty();
        out.raw(",\"message\":{\"role\":\"assistant\",\"content\":");
        if (thought && choice.text().isEmpty()) {
            out.raw("null");
        } else {
            out.string(choice.text());
        }
        out.raw(",\"refusal\":null");
        if (thought) {
            out.raw(",");
            openReasoning(out, choice.reasoning());
            out.raw("\"");
        }
        out.raw("}");
    }

    private void logprobs(JsonOut out, Choice choice) {
        if (spec.logprobs() < 0 || choice.logprobs().isEmpty()) {
            out.raw("null");
        } else {
            logprobs.chat(out, choice.logprobs());
        }
    }

    private void tokenIds(JsonOut out, Choice choice) {
        if (spec.returnTokenIds()) {
            out.raw(",\"token_ids\":").numbers(choice.ids(), choice.idCount());
        }
    }

    private static byte[] choiceHead(int index) {
        return OpenAiParts.ascii("{\"index\":" + index + ",\"delta\":{\"content\":\"");
    }
}
