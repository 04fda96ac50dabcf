package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Log-probabilities as the two APIs show them. */
final class LogprobsWriter {
    private final Tokenizer tokenizer;
    private final boolean tokensAsIds;

    LogprobsWriter(Tokenizer tokenizer, boolean tokensAsIds) {
        this.tokenizer = tokenizer;
        this.tokensAsIds = tokensAsIds;
    }

    /** A chat's: {@code {"content":[{"token","logprob","bytes","top_logprobs"}]}}. */
    void chat(JsonOut out, List<TokenLogprobs> entries) {
        out.raw("{\"content\":");
        tokens(out, entries);
        out.raw(",\"refusal\":null}");
    }

    /** The list in a chat's and a response's: {@code [{"token","logprob","bytes","top_logprobs"}]}. */
    void tokens(JsonOut out, List<TokenLogprobs> entries) {
        out.raw("[");
        for (int i = 0; i < entries.size(); i++) {
            TokenLogprobs entry = entries.get(i);
            out.raw(i > 0 ? ",{" : "{");
            chatToken(out, entry.id(), entry.logprob());
            out.raw(",\"top_logprobs\":[");
            for (int k = 0; k < entry.topIds().length; k++) {
                out.raw(k > 0 ? ",{" : "{");
                chatToken(out, entry.topIds()[k], entry.topLogprobs()[k]);
                out.raw("}");
            }
            out.raw("]}");
        }
        out.raw("]");
    }

    private void chatToken(JsonOut out, int id, float logprob) {
        byte[] bytes = tokenizer.tokenBytes(id);
        int[] values = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            values[i] = bytes[i] & 0xff;
        }
        out.raw("\"token\":").string(name(id)).raw(",\"logprob\":").logprob(logprob);
        out.raw(",\"bytes\":").numbers(values, values.length);
    }

    /**
     * A text completion's: parallel lists.
     *
     * @param offset characters before the first token
     * @return characters after the last
     */
    int completion(JsonOut out, List<TokenLogprobs> entries, int offset) {
        String[] names = new String[entries.size()];
        out.raw("{\"text_offset\":[");
        int at = offset;
        for (int i = 0; i < names.length; i++) {
            out.raw(i > 0 ? "," : "").number(at);
            names[i] = name(entries.get(i).id());
            at += names[i].length();
        }
        out.raw("],\"token_logprobs\":[");
        for (int i = 0; i < names.length; i++) {
            out.raw(i > 0 ? "," : "").logprob(entries.get(i).logprob());
        }
        out.raw("],\"tokens\":[");
        for (int i = 0; i < names.length; i++) {
            out.raw(i > 0 ? "," : "").string(names[i]);
        }
        out.raw("],\"top_logprobs\":[");
        for (int i = 0; i < names.length; i++) {
            out.raw(i > 0 ? "," : "");
            completionTop(out, names[i], entries.get(i));
        }
        out.raw("]}");
        return at;
    }

    private void completionTop(JsonOut out, String name, TokenLogprobs entry) {
        if (Float.isNaN(entry.logprob())) {
            out.raw("null");
            return;
        }
        // Different ids may have one name (incomplete characters); a key may be there only once, so the likeliest wins.
        Map<String, Float> top = new LinkedHashMap<>();
        for (int k = 0; k < entry.topIds().length; k++) {
            top.putIfAbsent(name(entry.topIds()[k]), entry.topLogprobs()[k]);
        }
        top.putIfAbsent(name, entry.logprob());
        String separator = "{";
        for (Map.Entry<String, Float> pair : top.entrySet()) {
            out.raw(separator).string(pair.getKey()).raw(":").logprob(pair.getValue());
            separator = ",";
        }
        out.raw("}");
    }

    /** vLLM's {@code prompt_logprobs}: null for the first token, then a map from id to what is known of it. */
    void prompt(JsonOut out, List<TokenLogprobs> entries) {
        out.raw("[null");
        for (TokenLogprobs entry : entries) {
            out.raw(",{");
            boolean amongTop = false;
            for (int k = 0; k < entry.topIds().length; k++) {
                int id = entry.topIds()[k];
                amongTop |= id == entry.id();
                out.raw(k > 0 ? "," : "");
                promptToken(out, id, entry.topLogprobs()[k], k + 1);
            }
            if (!amongTop) {
                out.raw(entry.topIds().length > 0 ? "," : "");
                promptToken(out, entry.id(), entry.logprob(), entry.rank());
            }
            out.raw("}");
        }
        out.raw("]");
    }

    private void promptToken(JsonOut out, int id, float logprob, int rank) {
        out.raw("\"")
                .number(id)
                .raw("\":{\"logprob\":")
                .logprob(logprob)
                .raw(",\"rank\":")
                .number(rank);
        out.raw(",\"decoded_token\":").string(text(id)).raw("}");
    }

    private String name(int id) {
        return tokensAsIds ? "token_id:" + id : text(id);
    }

    private String text(int id) {
        return new String(tokenizer.tokenBytes(id), StandardCharsets.UTF_8);
    }
}
