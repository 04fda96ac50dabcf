package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.ResponsesReader.Settings;
import dev.apus.server.http.Route.Kind;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** OpenAI's Responses API: {@code /v1/responses} and what is below it. Thread-safe. */
final class ResponsesRoutes {
    static final String PATH = "/v1/responses";

    private static final String CANCEL = "/cancel";
    private static final String INPUT_ITEMS = "/input_items";
    private static final int MOST_QUERY = 32;
    private static final int MOST_LISTED = 100;
    private static final int LISTED = 20;

    private final ServedModel model;
    private final JsonBody json;
    private final ResponsesReader reader;
    private final ResponsePrompts prompts;
    private final Generator generator;
    private final ResponseStore store;

    ResponsesRoutes(
            ServedModel model,
            JsonBody json,
            TextEncoder encoder,
            SpecReader specs,
            ChatPrompts chats,
            Generator generator,
            ResponseStore store) {
        this.model = model;
        this.json = json;
        reader = new ResponsesReader(specs, model.name());
        prompts = new ResponsePrompts(encoder, chats, model.maxModelLength());
        this.generator = generator;
        this.store = store;
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", PATH, Kind.GENERATION, this::create),
                new Route("GET", PATH + "/*", Kind.ORDINARY, this::read),
                new Route("POST", PATH + "/*", Kind.ORDINARY, this::cancel),
                new Route("DELETE", PATH + "/*", Kind.ORDINARY, this::delete));
    }

    private void create(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        InfoRoutes.checkModel(model, fields.string("model"));
        Settings settings = reader.read(fields);
        ResponseItems input = ResponseItems.read(fields);
        String tenant = exchange.principal().tenant();
        ResponseTurn before = before(tenant, settings.previousId());
        GenerationRoutes.warn(exchange, fields);
        Prompt prompt = prompts.prompt(exchange, settings, before, input);
        ReasoningFormat reasoning = settings.spec().answer().reasoning();
        GenerationSpec spec = reasoning == null
                ? settings.spec()
                : settings.spec().withinThought(reasoning.isOpenAfter(String.valueOf(prompt.text())));
        String id = "resp_" + Generator.unique();
        ResponseKeeper keeper = new ResponseKeeper(store, id, tenant, input, before, settings.store());
        Refusal refusal = new Refusal();
        ResponsesRenderer renderer = new ResponsesRenderer(
                id, settings.settings(), settings.background(), spec, model.tokenizer(), keeper, refusal::told);
        if (settings.background()) {
            startAlone(exchange, spec, renderer, prompt, keeper, refusal);
        } else {
            generator.start(exchange, spec, renderer, List.of(prompt));
        }
    }

    /** Holds the error of a request that the engine did not take, so that its client is told by a status. */
    private static final class Refusal {
        private volatile @Nullable ApiException error;

        void told(ApiException cause) {
            error = cause;
        }
    }

    private @Nullable ResponseTurn before(String tenant, @Nullable String previousId) {
        if (previousId == null) {
            return null;
        }
        StoredResponse previous = store.get(tenant, previousId);
        if (previous == null) {
            throw new ApiException(
                    400,
                    "there is no response of the id in 'previous_response_id'; it may have been too old to be kept",
                    "previous_response_id",
                    "previous_response_not_found",
                    0);
        }
        ResponseTurn turn = previous.state().turn();
        if (turn == null) {
            throw ApiException.invalid(
                    "previous_response_id",
                    "the response in 'previous_response_id' is "
                            + previous.state().status()
                            + ", only one that is completed or incomplete can be gone on with");
        }
        return turn;
    }

    private void read(Exchange exchange) {
        String rest = rest(exchange);
        if (rest.endsWith(INPUT_ITEMS)) {
            listInput(exchange, find(exchange, without(rest, INPUT_ITEMS)));
            return;
        }
        StoredResponse response = find(exchange, rest);
        Map<String, List<String>> query = query(exchange);
        // An answer to HEAD has no body, so no events either.
        boolean head = exchange.method().equals(HttpMethod.HEAD);
        if (head || !"true".equalsIgnoreCase(one(query, "stream", "false"))) {
            exchange.respondJson(200, response.state().json());
            return;
        }
        ResponseLog log = response.log();
        if (log == null || log.isDropped()) {
            throw ApiException.invalid(
                    "stream",
                    "the events of this response are not kept: only those of one that was made with 'background' and"
                            + " 'stream', unless there was no room; get it without 'stream'");
        }
        new LogFollower(exchange, log, (int) number(query, "starting_after", -1, -1, Integer.MAX_VALUE - 1) + 1)
                .start();
    }

    // What is told when the response has ended cannot fail: an exchange that is over takes no answer.
    @SuppressWarnings("FutureReturnValueIgnored")
    private void cancel(Exchange exchange) {
        String rest = rest(exchange);
        if (!rest.endsWith(CANCEL)) {
            throw new ApiException(
                    404, "there is nothing to POST to but " + PATH + "/{id}/cancel", null, "not_found", 0);
        }
        StoredResponse response = find(exchange, without(rest, CANCEL));
        if (!response.isBackground()) {
            throw ApiException.invalid(
                    "response_id",
                    "only a response that was made with 'background' can be cancelled; close the connection");
        }
        response.cancel();
        response.ended().thenAccept(state -> exchange.respondJson(200, state.json()));
    }

    private void delete(Exchange exchange) {
        StoredResponse response = find(exchange, rest(exchange));
        store.remove(response.tenant(), response.id());
        response.cancel();
        exchange.respondJson(
                200,
                new JsonOut()
                        .raw("{\"id\":\"")
                        .raw(response.id())
                        .raw("\",\"object\":\"response\",\"deleted\":true}")
                        .toBytes());
    }

    private void listInput(Exchange exchange, StoredResponse response) {
        Map<String, List<String>> query = query(exchange);
        int limit = (int) number(query, "limit", LISTED, 1, MOST_LISTED);
        String order = one(query, "order", "desc");
        if (!order.equals("asc") && !order.equals("desc")) {
            throw ApiException.invalid("order", "'order' must be asc or desc");
        }
        List<StoredResponse.Item> items = new ArrayList<>(response.items());
        if (order.equals("desc")) {
            Collections.reverse(items);
        }
        String after = one(query, "after", "");
        int from = 0;
        for (int i = 0; i < items.size(); i++) {
            if (items.get(i).id().equals(after)) {
                from = i + 1;
            }
        }
        List<StoredResponse.Item> page = items.subList(from, Math.min(items.size(), from + limit));
        JsonOut out = new JsonOut().raw("{\"object\":\"list\",\"data\":[");
        for (int i = 0; i < page.size(); i++) {
            out.raw(i > 0 ? "," : "").raw(page.get(i).json());
        }
        out.raw("],\"first_id\":")
                .stringOrNull(page.isEmpty() ? null : page.getFirst().id());
        out.raw(",\"last_id\":")
                .stringOrNull(page.isEmpty() ? null : page.getLast().id());
        out.raw(",\"has_more\":").raw(Boolean.toString(from + page.size() < items.size()));
        exchange.respondJson(200, out.raw("}").toBytes());
    }

    private StoredResponse find(Exchange exchange, String id) {
        StoredResponse response = store.get(exchange.principal().tenant(), id);
        if (response == null) {
            throw new ApiException(
                    404, "there is no response of this id; it may have been too old to be kept", null, "not_found", 0);
        }
        return response;
    }

    private static String rest(Exchange exchange) {
        return exchange.path().substring(PATH.length() + 1);
    }

    private static String without(String rest, String end) {
        return rest.substring(0, rest.length() - end.length());
    }

    private static Map<String, List<String>> query(Exchange exchange) {
        try {
            return new QueryStringDecoder(exchange.query(), StandardCharsets.UTF_8, false, MOST_QUERY).parameters();
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest("the query holds a wrong percent escape");
        }
    }

    private static String one(Map<String, List<String>> query, String name, String absent) {
        return query.getOrDefault(name, List.of(absent)).getFirst();
    }

    private static long number(Map<String, List<String>> query, String name, long absent, long least, long most) {
        String value = one(query, name, Long.toString(absent));
        try {
            long number = Long.parseLong(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Refused below with what is out of range.
        }
        throw ApiException.invalid(name, "'" + name + "' must be an integer from " + least + " to " + most);
    }

    /** Starts an answer that does not end with its client, who is told of it at once or gets its events. */
    private void startAlone(
            Exchange exchange,
            GenerationSpec spec,
            ResponsesRenderer renderer,
            Prompt prompt,
            ResponseKeeper keeper,
            Refusal refusal) {
        ResponseLog log = spec.stream() ? new ResponseLog() : null;
        byte[] first = renderer.first();
        StoredResponse response = keeper.begin(first, log);
        Exchange alone;
        try {
            alone = exchange.detached(new LogSink(exchange.loop(), log, keeper::grown));
        } catch (ApiException e) {
            store.remove(response.tenant(), response.id());
            throw e;
        }
        response.onCancel(alone::abort);
        try {
            generator.start(alone, spec, renderer, List.of(prompt));
        } catch (RuntimeException e) {
            store.remove(response.tenant(), response.id());
            alone.respond(ApiException.badRequest("not started"));
            throw e;
        }
        // A refusal by the engine is told on the event loop, before this.
        exchange.loop().execute(() -> {
            ApiException refused = refusal.error;
            if (refused != null) {
                store.remove(response.tenant(), response.id());
                exchange.respond(refused);
            } else if (log != null) {
                new LogFollower(exchange, log, 0).start();
            } else {
                exchange.respondJson(200, first);
            }
        });
    }
}
