package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.Route.Kind;
import java.util.List;
import java.util.regex.Pattern;

/** Anthropic's Messages API: {@code /v1/messages} and {@code /v1/messages/count_tokens}. Thread-safe. */
final class MessagesRoutes {
    static final String PATH = "/v1/messages";
    /** The header that names the version of Anthropic's API. */
    static final String VERSION = "anthropic-version";

    private static final Pattern DATE = Pattern.compile("\\d{4}-\\d{2}-\\d{2}");

    private final ServedModel model;
    private final JsonBody json;
    private final TextEncoder encoder;
    private final MessagesReader reader;
    private final Generator generator;

    MessagesRoutes(
            ServedModel model,
            JsonBody json,
            TextEncoder encoder,
            SpecReader specs,
            ChatPrompts chats,
            Generator generator) {
        this.model = model;
        this.json = json;
        this.encoder = encoder;
        reader = new MessagesReader(specs, chats);
        this.generator = generator;
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", PATH, Kind.GENERATION, this::create),
                new Route("POST", PATH + "/count_tokens", Kind.ORDINARY, this::count));
    }

    private void create(Exchange exchange) {
        Fields fields = fields(exchange);
        GenerationSpec spec = reader.spec(fields);
        MessagesReader.Rendered prompt = reader.prompt(fields);
        GenerationRoutes.warn(exchange, fields);
        int[] ids = encoder.prompt(exchange, "messages", prompt.text(), false);
        ReasoningFormat reasoning = spec.answer().reasoning();
        GenerationSpec whole = reasoning == null ? spec : spec.withinThought(prompt.isWithinThought(reasoning));
        Renderer renderer = new MessagesRenderer("msg_" + Generator.unique(), model.name(), exchange.requestId());
        generator.start(exchange, whole, renderer, List.of(new Prompt(ids, prompt.text())));
    }

    private void count(Exchange exchange) {
        Fields fields = fields(exchange);
        reader.refuseUnsupported(fields);
        // Bounds the answer, not the prompt.
        fields.node("thinking_token_budget");
        String text = reader.prompt(fields).text();
        GenerationRoutes.warn(exchange, fields);
        int[] ids = encoder.any(exchange, "messages", text, false);
        exchange.respondJson(
                200,
                new JsonOut()
                        .raw("{\"input_tokens\":")
                        .number(ids.length)
                        .raw("}")
                        .toBytes());
    }

    private Fields fields(Exchange exchange) {
        checkVersion(exchange);
        Fields fields = MessagesReader.fields(json.parse(exchange.body()));
        InfoRoutes.checkModel(model, fields.string("model"));
        return fields;
    }

    /** Apus answers in the form of 2023-06-01, the newest, whatever version is named; none is taken as that. */
    private static void checkVersion(Exchange exchange) {
        String version = exchange.headers().get(VERSION);
        if (version != null && !DATE.matcher(version).matches()) {
            throw ApiException.invalid(VERSION, "the header '" + VERSION + "' must be a date as 2023-06-01");
        }
    }
}
