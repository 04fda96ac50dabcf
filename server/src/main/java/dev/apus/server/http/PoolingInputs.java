package dev.apus.server.http;

import dev.apus.models.tokenizer.SequenceTemplate;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.pooling.PoolingInfo;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads the texts and token ids of requests that pool, and puts around them what the model wants. Thread-safe. */
final class PoolingInputs {
    /** Inputs of one request: OpenAI's limit. */
    static final int MOST_INPUTS = 2048;

    private final ServedModel model;
    private final TextEncoder encoder;

    PoolingInputs(ServedModel model, TextEncoder encoder) {
        this.model = model;
        this.encoder = encoder;
    }

    /**
     * {@code input}: a text, a list of ids, a list of texts or a list of lists of ids; with {@code truncate_prompt_tokens},
     * {@code add_special_tokens} and {@code prompt_name}.
     *
     * @throws ApiException if it is something else, or too long and not to be cut
     */
    List<SequenceTemplate.Sequence> read(Exchange exchange, Fields fields, PoolingInfo info) {
        int most = most(fields, info);
        boolean special = fields.bool("add_special_tokens", true);
        String prompt = prompt(fields, info);
        JsonNode node = fields.required("input");
        if (node.isString()) {
            return List.of(text(exchange, "input", prompt + node.stringValue(), special, most, info));
        }
        if (!node.isArray()) {
            throw fields.wrongType("input", node, "a string, a list of token ids, or a list of these");
        }
        if (node.isEmpty()) {
            throw ApiException.invalid("input", "'input' is an empty list");
        }
        if (node.get(0).isNumber()) {
            return List.of(ids("input", node, most, info));
        }
        Fields.checkSize("input", node.size(), MOST_INPUTS);
        List<SequenceTemplate.Sequence> sequences = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            JsonNode entry = node.get(i);
            String path = "input[" + i + "]";
            if (entry.isString()) {
                sequences.add(text(exchange, path, prompt + entry.stringValue(), special, most, info));
            } else if (entry.isArray()) {
                sequences.add(ids(path, entry, most, info));
            } else {
                throw fields.wrongType(path, entry, "a string or a list of token ids");
            }
        }
        return sequences;
    }

    /** Tokens to cut an input to; {@link Integer#MAX_VALUE} if longer ones are to be refused. */
    int most(Fields fields, PoolingInfo info) {
        int least = info.template() == null
                ? 1
                : Math.max(info.template().addedToOne(), info.template().addedToTwo()) + 1;
        int asked = fields.integer("truncate_prompt_tokens", Integer.MAX_VALUE, -1, info.maxTokens());
        if (asked == Integer.MAX_VALUE) {
            return asked;
        }
        if (asked != -1 && asked < least) {
            throw ApiException.invalid(
                    "truncate_prompt_tokens",
                    "'truncate_prompt_tokens' is " + asked + ", must be -1 (what fits) or " + least + " to "
                            + info.maxTokens());
        }
        return asked == -1 ? info.maxTokens() : asked;
    }

    /** The text that sentence-transformers puts in front of an input. */
    private static String prompt(Fields fields, PoolingInfo info) {
        String name = fields.string("prompt_name");
        if (name == null) {
            name = info.settings().defaultPrompt();
        }
        if (name == null) {
            return "";
        }
        String prompt = info.settings().prompts().get(name);
        if (prompt == null) {
            throw ApiException.invalid(
                    "prompt_name",
                    "'prompt_name' is " + Fields.describe(fields.required("prompt_name")) + ", must be one of "
                            + info.settings().prompts().keySet().stream()
                                    .sorted()
                                    .toList());
        }
        return prompt;
    }

    /** The ids of a text without special tokens, cut to somewhat more than what can be needed of it. */
    private int[] bare(Exchange exchange, String path, String text, int most) {
        return most == Integer.MAX_VALUE
                ? encoder.prompt(exchange, path, text, false, false)
                : encoder.any(exchange, path, text, false, false);
    }

    private SequenceTemplate.Sequence text(
            Exchange exchange, String path, String text, boolean special, int most, PoolingInfo info) {
        SequenceTemplate template = info.template();
        if (template == null || !special) {
            int[] ids = most == Integer.MAX_VALUE
                    ? encoder.prompt(exchange, path, text, special, false)
                    : encoder.any(exchange, path, text, special, false);
            return fits(path, whole(cut(ids, most)), info);
        }
        int[] ids = bare(exchange, path, text, most);
        return fits(path, template.one(ids, most(most, ids.length, template.addedToOne())), info);
    }

    /** Two texts as a cross-encoder takes them. */
    SequenceTemplate.Sequence pair(
            Exchange exchange, String path, int[] first, int[] second, int most, PoolingInfo info) {
        SequenceTemplate template = info.template() == null ? SequenceTemplate.plain() : info.template();
        return fits(
                path,
                template.two(first, second, most(most, first.length + second.length, template.addedToTwo())),
                info);
    }

    /** The ids of a text that becomes a half of a pair. */
    int[] half(Exchange exchange, String path, String text, int most) {
        return bare(exchange, path, text, most);
    }

    /** A text by itself, special tokens included. */
    SequenceTemplate.Sequence single(Exchange exchange, String path, String text, int most, PoolingInfo info) {
        return text(exchange, path, text, true, most, info);
    }

    private static int most(int most, int length, int added) {
        return most == Integer.MAX_VALUE ? length + added : most;
    }

    private SequenceTemplate.Sequence ids(String path, JsonNode list, int most, PoolingInfo info) {
        return fits(path, whole(cut(GenerationRoutes.tokenIds(model, path, list), most)), info);
    }

    private static int[] cut(int[] ids, int most) {
        return ids.length <= most ? ids : Arrays.copyOf(ids, most);
    }

    private static SequenceTemplate.Sequence whole(int[] ids) {
        return new SequenceTemplate.Sequence(ids, new int[ids.length]);
    }

    private static SequenceTemplate.Sequence fits(String path, SequenceTemplate.Sequence sequence, PoolingInfo info) {
        int length = sequence.ids().length;
        if (length == 0) {
            throw ApiException.invalid(path, "'" + path + "' is empty, it must give at least one token");
        }
        if (length > info.maxTokens()) {
            throw new ApiException(
                    400,
                    "'" + path + "' has " + length + " tokens, at most " + info.maxTokens()
                            + " are allowed; shorten it, or send truncate_prompt_tokens: -1 to have its end cut off",
                    path,
                    "context_length_exceeded",
                    0);
        }
        return sequence;
    }

    /** The texts of a list of strings, of objects with a text, or of one of them. */
    static List<String> texts(Fields fields, String name, @Nullable String other) {
        String used = fields.has(name) || other == null || !fields.has(other) ? name : other;
        JsonNode node = fields.required(used);
        if (node.isString() || node.isObject()) {
            return List.of(text(fields, used, node));
        }
        if (!node.isArray()) {
            throw fields.wrongType(used, node, "a string or a list of strings");
        }
        if (node.isEmpty()) {
            throw ApiException.invalid(used, "'" + used + "' is an empty list");
        }
        Fields.checkSize(used, node.size(), MOST_INPUTS);
        List<String> texts = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            texts.add(text(fields, used + "[" + i + "]", node.get(i)));
        }
        return texts;
    }

    private static String text(Fields fields, String path, JsonNode node) {
        JsonNode text = node.isObject() ? node.path("text") : node;
        if (!text.isString()) {
            throw fields.wrongType(path, node, "a string or an object with a 'text'");
        }
        return text.stringValue();
    }
}
