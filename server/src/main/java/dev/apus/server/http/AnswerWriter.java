package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes a request's answer as OpenAI's JSON, whole or in chunks of server-sent events. What does not change between the chunks of an
 * answer is made once. Not thread-safe.
 */
final class AnswerWriter {
    private final boolean chat;
    private final GenerationSpec spec;
    private final LogprobsWriter logprobs;
    private final byte[] chunkHead;
    private final byte[] wholeHead;
    private final byte[] plainTail;
    private final byte[] textTail;
    private final Map<Integer, byte[]> choiceHeads = new HashMap<>();

    AnswerWriter(
            boolean chat, String id, String modelName, String fingerprint, GenerationSpec spec, Tokenizer tokenizer) {
        this.chat = chat;
        this.spec = spec;
        logprobs = new LogprobsWriter(tokenizer, spec.tokensAsIds());
        long created = System.currentTimeMillis() / 1000;
        chunkHead =
                head("data: ", id, chat ? "chat.completion.chunk" : "text_completion", created, modelName, fingerprint);
        wholeHead = head("", id, chat ? "chat.completion" : "text_completion", created, modelName, fingerprint);
        textTail = ascii(chat ? "\"},\"logprobs\":" : "\",\"logprobs\":");
        plainTail = ascii((chat ? "\"}" : "\"") + ",\"logprobs\":null,\"finish_reason\":null"
                + (chat ? "" : ",\"stop_reason\":null") + "}]");
    }

    /** Appends the event of what a choice has to tell, after one with its role if it is the first of a chat. */
    void chunk(JsonOut out, Choice choice) {
        boolean first = !choice.begun();
        if (chat && first) {
            out.raw(chunkHead).raw("{\"index\":").number(choice.index());
            out.raw(",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]");
            if (spec.returnTokenIds()) {
                promptIds(out, choice);
            }
            endChunk(out, choice);
        }
        out.raw(chunkHead);
        if (choice.reasoning().isEmpty()) {
            out.raw(choiceHeads.computeIfAbsent(choice.index(), this::choiceHead));
            out.text(choice.text());
        } else {
            openReasoningDelta(out, choice);
        }
        if (spec.logprobs() < 0 && !spec.returnTokenIds() && choice.finishReason() == null) {
            out.raw(plainTail);
        } else {
            out.raw(textTail);
            logprobs(out, choice);
            finish(out, choice);
            if (spec.returnTokenIds()) {
                if (!chat && first) {
                    promptIds(out, choice);
                }
                out.raw(",\"token_ids\":").numbers(choice.ids(), choice.idCount());
            }
            out.raw("}]");
        }
        endChunk(out, choice);
    }

    /** As a choice's head and text, its last string open: thoughts, and an answer only if there is some. */
    private static void openReasoningDelta(JsonOut out, Choice choice) {
        out.raw("{\"index\":").number(choice.index()).raw(",\"delta\":{");
        reasoning(out, choice.reasoning());
        if (!choice.text().isEmpty()) {
            out.raw("\",\"content\":\"").text(choice.text());
        }
    }

    /** Both names, the last string open: clients of vLLM read the first, those of DeepSeek and SGLang the second. */
    private static void reasoning(JsonOut out, CharSequence thoughts) {
        out.raw("\"reasoning\":").string(thoughts);
        out.raw(",\"reasoning_content\":\"").text(thoughts);
    }

    /** Appends the event that tells the whole usage and no choice. */
    void usageChunk(JsonOut out, List<Choice> choices) {
        out.raw(chunkHead).raw("]");
        usage(out, choices);
        out.raw("}\n\n");
    }

    /**
     * The whole answer.
     *
     * @param choices all that were generated, for the usage
     * @param shown those of them to tell, numbered in this order
     */
    byte[] whole(List<Choice> choices, List<Choice> shown) {
        JsonOut out = new JsonOut();
        out.raw(wholeHead);
        for (int i = 0; i < shown.size(); i++) {
            if (i > 0) {
                out.raw(",");
            }
            wholeChoice(out, i, shown.get(i));
        }
        out.raw("]");
        usage(out, choices);
        if (chat && spec.promptLogprobs() >= 0) {
            out.raw(",\"prompt_logprobs\":");
            logprobs.prompt(out, choices.getFirst().promptLogprobs());
        }
        if (chat && spec.returnTokenIds()) {
            promptIds(out, choices.getFirst());
        }
        return out.raw("}").toBytes();
    }

    private void wholeChoice(JsonOut out, int index, Choice choice) {
        out.raw("{\"index\":").number(index);
        if (chat) {
            boolean thought = !choice.reasoning().isEmpty();
            out.raw(",\"message\":{\"role\":\"assistant\",\"content\":");
            if (thought && choice.text().isEmpty()) {
                out.raw("null,\"refusal\":null");
            } else {
                out.string(choice.text()).raw(",\"refusal\":null");
            }
            if (thought) {
                out.raw(",");
                reasoning(out, choice.reasoning());
                out.raw("\"");
            }
            out.raw("}");
        } else {
            out.raw(",\"text\":").string(choice.text());
        }
        out.raw(",\"logprobs\":");
        logprobs(out, choice);
        finish(out, choice);
        if (!chat && spec.promptLogprobs() >= 0) {
            out.raw(",\"prompt_logprobs\":");
            logprobs.prompt(out, choice.promptLogprobs());
        }
        if (spec.returnTokenIds()) {
            if (!chat) {
                promptIds(out, choice);
            }
            out.raw(",\"token_ids\":").numbers(choice.ids(), choice.idCount());
        }
        out.raw("}");
    }

    private void endChunk(JsonOut out, Choice choice) {
        if (spec.continuousUsage()) {
            usage(
                    out,
                    choice.prompt().ids().length,
                    choice.completionTokens(),
                    choice.cachedTokens(),
                    choice.reasoningTokens());
        }
        out.raw("}\n\n");
    }

    private void logprobs(JsonOut out, Choice choice) {
        if (spec.logprobs() < 0 || choice.logprobs().isEmpty()) {
            out.raw("null");
        } else if (chat) {
            logprobs.chat(out, choice.logprobs());
        } else {
            choice.textOffset = logprobs.completion(out, choice.logprobs(), choice.textOffset);
        }
    }

    private static void finish(JsonOut out, Choice choice) {
        out.raw(",\"finish_reason\":").stringOrNull(choice.finishReason());
        @Nullable Object reason = choice.stopReason();
        out.raw(",\"stop_reason\":");
        switch (reason) {
            case Integer id -> out.number(id);
            case String text -> out.string(text);
            case null, default -> out.raw("null");
        }
    }

    private static void promptIds(JsonOut out, Choice choice) {
        int[] ids = choice.prompt().ids();
        out.raw(",\"prompt_token_ids\":").numbers(ids, ids.length);
    }

    /** The choices of one prompt count its tokens once. */
    private void usage(JsonOut out, List<Choice> choices) {
        int prompt = 0;
        int completion = 0;
        int cached = 0;
        int reasoning = 0;
        for (Choice choice : choices) {
            completion += choice.completionTokens();
            reasoning += choice.reasoningTokens();
            if (choice.index() % spec.sequences() == 0) {
                prompt += choice.prompt().ids().length;
                cached += choice.cachedTokens();
            }
        }
        usage(out, prompt, completion, cached, reasoning);
    }

    private void usage(JsonOut out, int prompt, int completion, int cached, int reasoning) {
        out.raw(",\"usage\":{\"prompt_tokens\":").number(prompt);
        out.raw(",\"completion_tokens\":").number(completion);
        out.raw(",\"total_tokens\":").number((long) prompt + completion);
        out.raw(",\"prompt_tokens_details\":{\"cached_tokens\":").number(cached).raw("}");
        if (spec.answer().reasoning() != null) {
            out.raw(",\"completion_tokens_details\":{\"reasoning_tokens\":")
                    .number(reasoning)
                    .raw("}");
        }
        out.raw("}");
    }

    private byte[] choiceHead(int index) {
        return ascii("{\"index\":" + index + (chat ? ",\"delta\":{\"content\":\"" : ",\"text\":\""));
    }

    private static byte[] head(
            String before, String id, String object, long created, String modelName, String fingerprint) {
        JsonOut out = new JsonOut();
        out.raw(before).raw("{\"id\":").string(id).raw(",\"object\":\"").raw(object);
        out.raw("\",\"created\":").number(created).raw(",\"model\":").string(modelName);
        out.raw(",\"system_fingerprint\":").string(fingerprint).raw(",\"choices\":[");
        return out.toBytes();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
