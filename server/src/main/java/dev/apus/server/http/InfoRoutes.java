package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import dev.apus.server.auth.Principal;
import dev.apus.server.auth.Role;
import dev.apus.server.http.Route.Kind;
import dev.apus.server.http.Route.Needs;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** What tells of the server and its model: models, health, version, metrics, tokens. Thread-safe. */
final class InfoRoutes {
    private static final byte[] OK = "{\"status\":\"ok\"}".getBytes(StandardCharsets.US_ASCII);
    /** Bytes that an id takes: itself, and some digits in an array that doubles and in its copy. */
    private static final int PER_ID = 32;
    /** Bytes that a token's string takes in the same arrays. */
    private static final int PER_TOKEN_STRING = 64;

    private final ServedModel model;
    private final JsonBody json;
    private final TextEncoder encoder;
    private final ChatPrompts chats;
    private final ServerMetrics metrics;
    private final InFlight inFlight;
    private final Supplier<List<Route>> all;
    private final long created = System.currentTimeMillis() / 1000;
    /** Made when first asked for: it would be a part of every start. */
    private volatile byte @Nullable [] openApi;

    /** @param all the routes of the whole server, these among them, asked for once it listens */
    InfoRoutes(
            ServedModel model,
            JsonBody json,
            TextEncoder encoder,
            ServerMetrics metrics,
            InFlight inFlight,
            ApiOptions options,
            Supplier<List<Route>> all) {
        this.model = model;
        this.json = json;
        this.encoder = encoder;
        chats = new ChatPrompts(model, json, options);
        this.metrics = metrics;
        this.inFlight = inFlight;
        this.all = all;
    }

    List<Route> routes() {
        return List.of(
                new Route("GET", "/", Kind.ORDINARY, Needs.KEY, this::front),
                new Route("GET", "/v1/models", Kind.ORDINARY, Needs.KEY, this::models),
                new Route("GET", "/v1/models/*", Kind.ORDINARY, Needs.KEY, this::oneModel),
                new Route("GET", "/health", Kind.PROBE, Needs.NOTHING, this::health),
                new Route("GET", "/live", Kind.PROBE, Needs.NOTHING, this::health),
                new Route("GET", "/ping", Kind.PROBE, Needs.KEY, this::health),
                new Route("GET", "/ready", Kind.PROBE, Needs.NOTHING, this::ready),
                new Route("GET", "/version", Kind.ORDINARY, Needs.KEY, this::version),
                new Route("GET", "/openapi.json", Kind.ORDINARY, Needs.KEY, this::openApi),
                new Route("GET", "/load", Kind.WATCH, Needs.MONITOR, this::load),
                new Route("GET", "/metrics", Kind.WATCH, Needs.MONITOR, this::scrape),
                new Route("POST", "/tokenize", Kind.ORDINARY, this::tokenize),
                new Route("POST", "/detokenize", Kind.ORDINARY, this::detokenize));
    }

    /** The version that the jar's manifest names; classes run from a build folder have none. */
    static String version() {
        String version = InfoRoutes.class.getPackage().getImplementationVersion();
        return version == null ? "dev" : version;
    }

    /** @throws ApiException if the request names another model; one that names none means the model served */
    static void checkModel(ServedModel model, @Nullable String name) {
        if (name != null && !name.equals(model.name())) {
            String shown = name.length() <= 100 ? name : name.substring(0, 100) + "...";
            throw new ApiException(
                    404,
                    "the model '" + shown + "' is not served here, '" + model.name() + "' is",
                    "model",
                    "model_not_found",
                    0);
        }
    }

    /** What somebody sees who looks at the bare address. */
    private void front(Exchange exchange) {
        JsonOut out = new JsonOut().raw("{\"server\":\"apus\",\"version\":").string(version());
        out.raw(",\"model\":").string(model.name()).raw(",\"endpoints\":[");
        String separator = "";
        for (String path : pathsFor(exchange.principal())) {
            out.raw(separator).string(path);
            separator = ",";
        }
        exchange.header("vary", "accept");
        exchange.respondJson(200, out.raw("]}").toBytes());
    }

    /** What may be asked for by one with these roles, each path once. */
    private SortedSet<String> pathsFor(Principal principal) {
        SortedSet<String> paths = new TreeSet<>();
        for (Route route : all.get()) {
            Role role = route.needs().role();
            if (!route.page() && (role == null || principal.has(role))) {
                paths.add(route.path());
            }
        }
        return paths;
    }

    private void models(Exchange exchange) {
        if (ErrorShape.isAnthropic(exchange.headers())) {
            JsonOut out = new JsonOut().raw("{\"data\":[");
            String listed = exchange.principal().mayUse(model.name()) ? model.name() : null;
            if (listed != null) {
                writeAnthropicModel(out);
            }
            out.raw("],\"has_more\":false,\"first_id\":")
                    .stringOrNull(listed)
                    .raw(",\"last_id\":")
                    .stringOrNull(listed);
            exchange.respondJson(200, out.raw("}").toBytes());
            return;
        }
        JsonOut out = new JsonOut().raw("{\"object\":\"list\",\"data\":[");
        if (exchange.principal().mayUse(model.name())) {
            writeModel(out);
        }
        exchange.respondJson(200, out.raw("]}").toBytes());
    }

    private void oneModel(Exchange exchange) {
        String encoded = exchange.path().substring("/v1/models/".length());
        String name;
        try {
            // A plus sign is itself in a path.
            name = URLDecoder.decode(encoded.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest("the path holds a wrong percent escape");
        }
        checkModel(model, name);
        if (!exchange.principal().mayUse(name)) {
            throw Access.modelNotAllowed(exchange.principal(), name);
        }
        JsonOut out = new JsonOut();
        if (ErrorShape.isAnthropic(exchange.headers())) {
            writeAnthropicModel(out);
        } else {
            writeModel(out);
        }
        exchange.respondJson(200, out.toBytes());
    }

    private void writeModel(JsonOut out) {
        out.raw("{\"id\":")
                .string(model.name())
                .raw(",\"object\":\"model\",\"created\":")
                .number(created);
        out.raw(",\"owned_by\":\"apus\",\"root\":").string(model.name());
        out.raw(",\"parent\":null,\"max_model_len\":")
                .number(model.maxModelLength())
                .raw("}");
    }

    /** For a client that sends Anthropic's version header. */
    private void writeAnthropicModel(JsonOut out) {
        out.raw("{\"type\":\"model\",\"id\":")
                .string(model.name())
                .raw(",\"display_name\":")
                .string(model.name());
        out.raw(",\"created_at\":").string(Instant.ofEpochSecond(created).toString());
        out.raw(",\"max_input_tokens\":").number(model.maxModelLength()).raw(",\"max_tokens\":");
        out.number(model.maxModelLength()).raw(",\"lifecycle\":\"active\"}");
    }

    private void health(Exchange exchange) {
        if (!model.engine().stats().alive()) {
            throw new ApiException(503, "the engine has ended by a fault", null, "engine_dead", 0);
        }
        exchange.respondJson(200, OK);
    }

    private void ready(Exchange exchange) {
        if (inFlight.isDraining()) {
            throw ApiException.unavailable("the server is shutting down");
        }
        if (inFlight.isPaused()) {
            throw ApiException.unavailable(InFlight.PAUSED);
        }
        health(exchange);
    }

    private void version(Exchange exchange) {
        exchange.respondJson(
                200,
                new JsonOut().raw("{\"version\":").string(version()).raw("}").toBytes());
    }

    private void openApi(Exchange exchange) {
        byte[] document = openApi;
        if (document == null) {
            document = OpenApi.document(version());
            openApi = document;
        }
        exchange.respondJson(200, document);
    }

    /** Requests for text that are not answered yet, in vLLM's shape. */
    private void load(Exchange exchange) {
        exchange.respondJson(
                200,
                new JsonOut()
                        .raw("{\"server_load\":")
                        .number(inFlight.count())
                        .raw("}")
                        .toBytes());
    }

    private void scrape(Exchange exchange) {
        exchange.respond(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                metrics.scrape().getBytes(StandardCharsets.UTF_8));
    }

    private void tokenize(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        checkModel(model, fields.string("model"));
        boolean chat = fields.has("messages");
        if (chat && fields.has("prompt")) {
            throw ApiException.invalid("prompt", "'prompt' and 'messages' exclude each other, send one of them");
        }
        boolean special = fields.bool("add_special_tokens", !chat);
        boolean strings = fields.bool("return_token_strs", false);
        String text = chat ? chats.render(fields) : fields.requiredString("prompt");
        GenerationRoutes.warn(exchange, fields);
        int[] ids = encoder.any(exchange, chat ? "messages" : "prompt", text, special);
        exchange.memory().take((long) ids.length * (strings ? PER_ID + PER_TOKEN_STRING : PER_ID));
        JsonOut out = new JsonOut().raw("{\"count\":").number(ids.length);
        out.raw(",\"max_model_len\":").number(model.maxModelLength());
        out.raw(",\"tokens\":").numbers(ids, ids.length).raw(",\"token_strs\":");
        if (strings) {
            for (int i = 0; i < ids.length; i++) {
                out.raw(i == 0 ? "[" : ",").stringOrNull(model.tokenizer().token(ids[i]));
            }
            out.raw(ids.length == 0 ? "[]" : "]");
        } else {
            out.raw("null");
        }
        exchange.respondJson(200, out.raw("}").toBytes());
    }

    private void detokenize(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        checkModel(model, fields.string("model"));
        JsonNode tokens = fields.node("tokens");
        if (tokens == null) {
            throw fields.missing("tokens");
        }
        if (!tokens.isArray()) {
            throw fields.wrongType("tokens", tokens, "a list of token ids");
        }
        // What the model can have made; a longer list may be sent in parts.
        Fields.checkSize("tokens", tokens.size(), model.maxModelLength());
        GenerationRoutes.warn(exchange, fields);
        String text = model.tokenizer().decode(GenerationRoutes.tokenIds(model, "tokens", tokens), false);
        exchange.respondJson(
                200, new JsonOut().raw("{\"prompt\":").string(text).raw("}").toBytes());
    }
}
