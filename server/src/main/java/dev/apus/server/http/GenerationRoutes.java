package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.Route.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** {@code /v1/chat/completions} and {@code /v1/completions}: from a request's JSON to a call in the engine. Thread-safe. */
final class GenerationRoutes {
    /** Sequences of one request: prompts times choices. */
    private static final int MOST_SEQUENCES = 1024;
    /** Unknown parameters that the warning names. */
    private static final int MOST_WARNED = 10;

    private static final int MOST_NAME = 40;
    private static final int NO_TRUNCATION = Integer.MAX_VALUE;

    private final ServedModel model;
    private final JsonBody json;
    private final TextEncoder encoder;
    private final ChatPrompts chats;
    private final SpecReader specs;
    private final Generator generator;
    private final String fingerprint;

    /**
     * How a prompt that is too long is cut.
     *
     * @param tokens most tokens of it, or -1 for as many as fit
     * @param left whether its beginning is cut off
     */
    private record Truncation(int tokens, boolean left) {
        boolean isNone() {
            return tokens == NO_TRUNCATION;
        }
    }

    /** How an answer is shown. */
    interface Form {
        /** @param id the answer's */
        Renderer of(String id, GenerationSpec spec);
    }

    GenerationRoutes(ServedModel model, ApiOptions options, JsonBody json, TextEncoder encoder, Generator generator) {
        this.model = model;
        this.json = json;
        this.encoder = encoder;
        chats = new ChatPrompts(model, json, options);
        specs = new SpecReader(model, options);
        this.generator = generator;
        fingerprint = "apus-" + InfoRoutes.version();
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", "/v1/chat/completions", Kind.GENERATION, this::chat),
                new Route("POST", "/v1/completions", Kind.GENERATION, this::completion));
    }

    private void chat(Exchange exchange) {
        chat(
                exchange,
                new Fields(json.parse(exchange.body())),
                (id, spec) -> new ChatRenderer(id, model.name(), fingerprint, spec, model.tokenizer()));
    }

    /**
     * Starts a chat.
     *
     * @param fields OpenAI's parameters, however they came
     * @throws ApiException if they are wrong
     */
    void chat(Exchange exchange, Fields fields, Form form) {
        checkModel(fields);
        GenerationSpec spec = specs.chat(fields);
        Truncation truncate = truncation(fields);
        boolean addSpecial = fields.bool("add_special_tokens", false);
        String answerId = answerId(fields, true);
        String text = chats.render(fields);
        warn(exchange, fields);
        int[] ids = encode(exchange, "messages", text, addSpecial, truncate);
        ReasoningFormat reasoning = spec.answer().reasoning();
        GenerationSpec whole =
                reasoning == null ? spec : spec.withinThought(ChatPrompts.isWithinThought(fields, text, reasoning));
        generator.start(
                exchange, whole, form.of(answerId, whole), List.of(truncated(new Prompt(ids, text), truncate, whole)));
    }

    private void completion(Exchange exchange) {
        completion(
                exchange,
                new Fields(json.parse(exchange.body())),
                (id, spec) -> new CompletionRenderer(id, model.name(), fingerprint, spec, model.tokenizer()));
    }

    /**
     * Starts a text completion.
     *
     * @param fields OpenAI's parameters, however they came
     * @throws ApiException if they are wrong
     */
    void completion(Exchange exchange, Fields fields, Form form) {
        checkModel(fields);
        GenerationSpec spec = specs.completion(fields);
        Truncation truncate = truncation(fields);
        String answerId = answerId(fields, false);
        boolean addSpecial = fields.bool("add_special_tokens", true);
        List<Prompt> prompts = prompts(fields, (path, text) -> textPrompt(exchange, path, text, addSpecial, truncate));
        if (prompts.size() * spec.sequences() > MOST_SEQUENCES) {
            throw ApiException.invalid(
                    "prompt",
                    prompts.size() + " prompts with 'n' of " + spec.sequences() + " are too many, at most "
                            + MOST_SEQUENCES + " sequences are allowed");
        }
        warn(exchange, fields);
        generator.start(
                exchange,
                spec,
                form.of(answerId, spec),
                prompts.stream()
                        .map(prompt -> truncated(prompt, truncate, spec))
                        .toList());
    }

    /** The answer's id, with {@code request_id} for its end if given, as in vLLM. */
    private static String answerId(Fields fields, boolean chat) {
        String given = fields.string("request_id");
        if (given != null && !Exchange.isRequestId(given)) {
            throw ApiException.invalid(
                    "request_id", "'request_id' must have 1 to 128 characters out of letters, digits and ._:/@+=-");
        }
        return (chat ? "chatcmpl-" : "cmpl-") + (given == null ? Generator.unique() : given);
    }

    private void checkModel(Fields fields) {
        InfoRoutes.checkModel(model, fields.string("model"));
    }

    private Truncation truncation(Fields fields) {
        int tokens = fields.integer("truncate_prompt_tokens", NO_TRUNCATION, -1, model.maxModelLength());
        if (tokens == 0) {
            throw ApiException.invalid(
                    "truncate_prompt_tokens",
                    "'truncate_prompt_tokens' is 0, must be -1 (what fits) or 1 to " + model.maxModelLength());
        }
        String side = fields.string("truncation_side");
        if (side != null && !side.equals("left") && !side.equals("right")) {
            throw ApiException.invalid(
                    "truncation_side", "'truncation_side' is '" + shorten(side) + "', must be left or right");
        }
        return new Truncation(tokens, !"right".equals(side));
    }

    /** Cuts the beginning or the end off; -1 means to as many as the context takes besides the answer. */
    private Prompt truncated(Prompt prompt, Truncation truncate, GenerationSpec spec) {
        if (truncate.isNone()) {
            return prompt;
        }
        Integer answer = spec.maxTokens();
        int most = truncate.tokens >= 0
                ? truncate.tokens
                : Math.max(1, model.maxModelLength() - (answer == null ? 1 : answer));
        int length = prompt.ids().length;
        if (length <= most) {
            return prompt;
        }
        int from = truncate.left ? length - most : 0;
        return new Prompt(Arrays.copyOfRange(prompt.ids(), from, from + most), null);
    }

    /**
     * A text, a list of ids, a list of texts or a list of lists of ids.
     *
     * @param texts from a text and its path to the prompt
     */
    private List<Prompt> prompts(Fields fields, BiFunction<String, String, Prompt> texts) {
        JsonNode node = fields.node("prompt");
        if (node == null) {
            throw fields.missing("prompt");
        }
        if (node.isString()) {
            return List.of(texts.apply("prompt", node.stringValue()));
        }
        if (!node.isArray()) {
            throw fields.wrongType("prompt", node, "a string, a list of token ids, or a list of these");
        }
        if (node.isEmpty()) {
            throw ApiException.invalid("prompt", "'prompt' is an empty list");
        }
        if (node.get(0).isNumber()) {
            return List.of(idPrompt("prompt", node));
        }
        Fields.checkSize("prompt", node.size(), MOST_SEQUENCES);
        List<Prompt> prompts = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            JsonNode entry = node.get(i);
            if (entry.isString()) {
                prompts.add(texts.apply("prompt[" + i + "]", entry.stringValue()));
            } else if (entry.isArray()) {
                prompts.add(idPrompt("prompt[" + i + "]", entry));
            } else {
                throw fields.wrongType("prompt[" + i + "]", entry, "a string or a list of token ids");
            }
        }
        return prompts;
    }

    private Prompt textPrompt(Exchange exchange, String path, String text, boolean addSpecial, Truncation truncate) {
        return new Prompt(encode(exchange, path, text, addSpecial, truncate), text);
    }

    private int[] encode(Exchange exchange, String path, String text, boolean addSpecial, Truncation truncate) {
        return truncate.isNone()
                ? encoder.prompt(exchange, path, text, addSpecial)
                : TextEncoder.notEmpty(path, encoder.any(exchange, path, text, addSpecial));
    }

    private Prompt idPrompt(String path, JsonNode list) {
        if (list.isEmpty()) {
            throw ApiException.invalid(path, "'" + path + "' is empty, it must hold at least one token id");
        }
        return new Prompt(tokenIds(model, path, list), null);
    }

    static int[] tokenIds(ServedModel model, String path, JsonNode list) {
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Fields.integer(path + "[" + i + "]", list.get(i), 0, model.vocabSize() - 1L);
        }
        return ids;
    }

    /** Says in a header which parameters had no effect; names of unknown ones come from the client and are cleaned. */
    static void warn(Exchange exchange, Fields fields) {
        List<String> parts = new ArrayList<>(2);
        if (!fields.unread().isEmpty()) {
            parts.add("unknown parameters ignored: " + names(fields.unread()));
        }
        if (!fields.idle().isEmpty()) {
            parts.add("parameters without effect here: " + names(fields.idle()));
        }
        if (!parts.isEmpty()) {
            exchange.header("warning", "299 apus \"" + String.join("; ", parts) + "\"");
        }
    }

    private static String names(Set<String> paths) {
        List<String> names =
                paths.stream().limit(MOST_WARNED).map(GenerationRoutes::clean).toList();
        String more = paths.size() > MOST_WARNED ? " and " + (paths.size() - MOST_WARNED) + " more" : "";
        return String.join(", ", names) + more;
    }

    private static String shorten(String text) {
        return text.length() <= MOST_NAME ? text : text.substring(0, MOST_NAME) + "...";
    }

    private static String clean(@Nullable String name) {
        String known = String.valueOf(name).replaceAll("[^A-Za-z0-9_.-]", "_");
        return shorten(known);
    }
}
