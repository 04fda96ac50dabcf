package dev.apus.server.http;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What chats and text completions have in common in OpenAI's JSON, with vLLM's additions. Not thread-safe. */
final class OpenAiParts {
    private static final byte[] DONE = ascii("data: [DONE]\n\n");

    private final GenerationSpec spec;
    private final byte[] chunkHead;
    private final byte[] wholeHead;

    /**
     * @param chunkObject the {@code object} of a stream's chunks
     * @param wholeObject the {@code object} of a whole answer
     */
    OpenAiParts(
            String chunkObject,
            String wholeObject,
            String id,
            String modelName,
            String fingerprint,
            GenerationSpec spec) {
        this.spec = spec;
        long created = System.currentTimeMillis() / 1000;
        chunkHead = head("data: ", id, chunkObject, created, modelName, fingerprint);
        wholeHead = head("", id, wholeObject, created, modelName, fingerprint);
    }

    /** The beginning of a chunk until its choices. */
    byte[] chunkHead() {
        return chunkHead;
    }

    /** The beginning of a whole answer until its choices. */
    byte[] wholeHead() {
        return wholeHead;
    }

    void endChunk(JsonOut out, Choice choice) {
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

    /** The usage if it was asked for, in a chunk without a choice, and the end of the stream. */
    void end(JsonOut out, List<Choice> choices) {
        if (spec.includeUsage()) {
            out.raw(chunkHead).raw("]");
            usage(out, choices);
            out.raw("}\n\n");
        }
        out.raw(DONE);
    }

    static void error(JsonOut out, ApiException error) {
        out.raw("data: ").raw(error.json()).raw("\n\n").raw(DONE);
    }

    static void finish(JsonOut out, Choice choice) {
        out.raw(",\"finish_reason\":").stringOrNull(choice.finishReason());
        @Nullable Object reason = choice.stopReason();
        out.raw(",\"stop_reason\":");
        switch (reason) {
            case Integer id -> out.number(id);
            case String text -> out.string(text);
            case null, default -> out.raw("null");
        }
    }

    static void promptIds(JsonOut out, Choice choice) {
        int[] ids = choice.prompt().ids();
        out.raw(",\"prompt_token_ids\":").numbers(ids, ids.length);
    }

    /** The choices of one prompt count its tokens once. */
    void usage(JsonOut out, List<Choice> choices) {
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

    private static byte[] head(
            String before, String id, String object, long created, String modelName, String fingerprint) {
        JsonOut out = new JsonOut();
        out.raw(before).raw("{\"id\":").string(id).raw(",\"object\":\"").raw(object);
        out.raw("\",\"created\":").number(created).raw(",\"model\":").string(modelName);
        out.raw(",\"system_fingerprint\":").string(fingerprint).raw(",\"choices\":[");
        return out.toBytes();
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
