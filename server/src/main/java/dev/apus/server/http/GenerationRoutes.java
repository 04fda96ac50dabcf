package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.ServedModel;
import io.netty.util.concurrent.EventExecutor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** {@code /v1/chat/completions} and {@code /v1/completions}: from a request's JSON to a call in the engine. Thread-safe. */
final class GenerationRoutes {
    /** Sequences of one request: prompts times choices. */
    private static final int MOST_SEQUENCES = 1024;
    /** Unknown parameters that the warning names. */
    private static final int MOST_WARNED = 10;

    private static final int MOST_NAME = 40;

    private final ServedModel model;
    private final HttpOptions options;
    private final JsonBody json;
    private final ChatPrompts chats;
    private final SpecReader specs;
    private final ServerMetrics metrics;
    private final InFlight inFlight;
    private final ExecutorService workers;
    private final Map<EventExecutor, EventPump> pumps;
    private final String fingerprint;

    /** @param pumps one per event loop of the server */
    GenerationRoutes(
            ServedModel model,
            HttpOptions options,
            JsonBody json,
            ServerMetrics metrics,
            InFlight inFlight,
            ExecutorService workers,
            Map<EventExecutor, EventPump> pumps) {
        this.model = model;
        this.options = options;
        this.json = json;
        chats = new ChatPrompts(model, json);
        specs = new SpecReader(model);
        this.metrics = metrics;
        this.inFlight = inFlight;
        this.workers = workers;
        this.pumps = pumps;
        fingerprint = "apus-" + InfoRoutes.version();
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", "/v1/chat/completions", true, this::chat),
                new Route("POST", "/v1/completions", true, this::completion));
    }

    private void chat(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        checkModel(fields);
        GenerationSpec spec = specs.chat(fields);
        int truncate = truncation(fields);
        boolean addSpecial = fields.bool("add_special_tokens", false);
        String text = chats.render(fields);
        warn(exchange, fields);
        int[] ids = model.tokenizer().encode(text, addSpecial, true);
        start(exchange, spec, true, List.of(truncated(new Prompt(ids, text), truncate, spec)));
    }

    private void completion(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        checkModel(fields);
        GenerationSpec spec = specs.completion(fields);
        int truncate = truncation(fields);
        List<Prompt> prompts = prompts(fields, fields.bool("add_special_tokens", true));
        if (prompts.size() * spec.n() > MOST_SEQUENCES) {
            throw ApiException.invalid(
                    "prompt",
                    prompts.size() + " prompts with 'n' of " + spec.n() + " are too many, at most " + MOST_SEQUENCES
                            + " sequences are allowed");
        }
        warn(exchange, fields);
        start(
                exchange,
                spec,
                false,
                prompts.stream()
                        .map(prompt -> truncated(prompt, truncate, spec))
                        .toList());
    }

    private void start(Exchange exchange, GenerationSpec spec, boolean chat, List<Prompt> prompts) {
        Tokenizer tokenizer = model.tokenizer();
        String id =
                (chat ? "chatcmpl-" : "cmpl-") + UUID.randomUUID().toString().replace("-", "");
        AnswerWriter writer = new AnswerWriter(chat, id, model.name(), fingerprint, spec, tokenizer);
        GenerationCall call = new GenerationCall(
                exchange, spec, writer, model.engine(), metrics, inFlight, workers, options.maxPendingBytes());
        for (int p = 0; p < prompts.size(); p++) {
            Prompt prompt = prompts.get(p);
            Request request = new Request(
                    id + "-" + p,
                    prompt.ids(),
                    params(spec, prompt),
                    spec.priority(),
                    spec.cacheSalt(),
                    exchange.arrivalNanos(),
                    options.requestTimeout().toNanos());
            request.choices(spec.n()).forEach(choice -> call.add(prompt, choice, tokenizer));
        }
        EventPump pump = pumps.get(exchange.context().executor());
        if (pump == null) {
            throw new IllegalStateException("the connection belongs to no event loop of this server");
        }
        call.start(pump);
    }

    private SamplingParams params(GenerationSpec spec, Prompt prompt) {
        Map<String, Double> defaults = model.generationDefaults();
        Double limit = defaults.getOrDefault("max_tokens", defaults.get("max_new_tokens"));
        return spec.paramsFor(
                prompt.ids().length, model.maxModelLength(), limit == null ? Integer.MAX_VALUE : limit.intValue());
    }

    private void checkModel(Fields fields) {
        InfoRoutes.checkModel(model, fields.string("model"));
    }

    private int truncation(Fields fields) {
        return fields.integer("truncate_prompt_tokens", 0, -1, model.maxModelLength());
    }

    /** Keeps the last tokens; -1 means as many as the context takes besides the answer. */
    private Prompt truncated(Prompt prompt, int truncate, GenerationSpec spec) {
        Integer answer = spec.maxTokens();
        int most = truncate >= 0 ? truncate : Math.max(1, model.maxModelLength() - (answer == null ? 1 : answer));
        int length = prompt.ids().length;
        if (truncate == 0 || length <= most) {
            return prompt;
        }
        return new Prompt(Arrays.copyOfRange(prompt.ids(), length - most, length), null);
    }

    /** A text, a list of ids, a list of texts or a list of lists of ids. */
    private List<Prompt> prompts(Fields fields, boolean addSpecial) {
        JsonNode node = fields.node("prompt");
        if (node == null) {
            throw fields.missing("prompt");
        }
        if (node.isString()) {
            return List.of(textPrompt(node.stringValue(), addSpecial));
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
                prompts.add(textPrompt(entry.stringValue(), addSpecial));
            } else if (entry.isArray()) {
                prompts.add(idPrompt("prompt[" + i + "]", entry));
            } else {
                throw fields.wrongType("prompt[" + i + "]", entry, "a string or a list of token ids");
            }
        }
        return prompts;
    }

    private Prompt textPrompt(String text, boolean addSpecial) {
        int[] ids = model.tokenizer().encode(text, addSpecial, true);
        if (ids.length == 0) {
            throw ApiException.invalid("prompt", "the prompt is empty, it must give at least one token");
        }
        return new Prompt(ids, text);
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

    /** Says in a header which parameters had no effect; their names come from the client and are cleaned. */
    static void warn(Exchange exchange, Fields fields) {
        Set<String> unread = fields.unread();
        if (unread.isEmpty()) {
            return;
        }
        List<String> names =
                unread.stream().limit(MOST_WARNED).map(GenerationRoutes::clean).toList();
        String more = unread.size() > MOST_WARNED ? " and " + (unread.size() - MOST_WARNED) + " more" : "";
        exchange.header("warning", "299 apus \"unknown parameters ignored: " + String.join(", ", names) + more + "\"");
    }

    private static String clean(@Nullable String name) {
        String known = String.valueOf(name).replaceAll("[^A-Za-z0-9_.-]", "_");
        return known.length() <= MOST_NAME ? known : known.substring(0, MOST_NAME) + "...";
    }
}
