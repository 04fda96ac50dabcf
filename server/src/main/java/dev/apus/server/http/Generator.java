package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.ServedModel;
import dev.apus.scheduler.Tenant;
import io.netty.util.concurrent.EventExecutor;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;

/** Starts the engine on what a request asks for, whatever API it came by. Thread-safe. */
final class Generator {
    /** Behind all that clients wait for, of the same tenant. */
    private static final int BACKGROUND = Integer.MAX_VALUE - 1;

    private final ServedModel model;
    private final HttpOptions options;
    private final ServerMetrics metrics;
    private final ExecutorService workers;
    private final Map<EventExecutor, EventPump> pumps;

    /** @param pumps one per event loop of the server */
    Generator(
            ServedModel model,
            HttpOptions options,
            ServerMetrics metrics,
            ExecutorService workers,
            Map<EventExecutor, EventPump> pumps) {
        this.model = model;
        this.options = options;
        this.metrics = metrics;
        this.workers = workers;
        this.pumps = pumps;
    }

    /**
     * Submits the choices of all prompts, whose answer goes to the exchange as the renderer shows it.
     *
     * @throws ApiException if a prompt and its answer do not fit the context
     */
    void start(Exchange exchange, GenerationSpec spec, Renderer renderer, List<Prompt> prompts) {
        Tokenizer tokenizer = model.tokenizer();
        // Not the answer's id: a client may choose that, and two clients the same.
        String id = unique();
        Slo slo = Slo.of(exchange);
        Tenant tenant = Slo.tenantOf(exchange, slo);
        GenerationCall call = new GenerationCall(
                exchange,
                spec,
                renderer,
                model.engine(),
                metrics,
                metrics.tenants().of(tenant.name()),
                workers,
                options.maxPendingBytes());
        String salt = salt(tenant, spec.cacheSalt());
        for (int p = 0; p < prompts.size(); p++) {
            Prompt prompt = prompts.get(p);
            Request request = new Request(
                            id + "-" + p,
                            prompt.ids(),
                            params(spec, prompt),
                            spec.priority(),
                            salt,
                            exchange.arrivalNanos(),
                            options.requestTimeout().toNanos())
                    .withTenant(tenant);
            Request ranked = exchange.isInBatch() ? request.withPriority(BACKGROUND) : slo.apply(request);
            ranked.choices(spec.sequences()).forEach(choice -> call.add(prompt, choice, tokenizer));
        }
        EventPump pump = pumps.get(exchange.loop());
        if (pump == null) {
            throw new IllegalStateException("the connection belongs to no event loop of this server");
        }
        call.start(pump);
    }

    /** A tenant's name has no line feed, so that no salt of a client's can be another tenant's. */
    private String salt(Tenant tenant, String given) {
        return options.security().isolatePrefixCache() ? tenant.name() + "\n" + given : given;
    }

    private SamplingParams params(GenerationSpec spec, Prompt prompt) {
        Map<String, Double> defaults = model.generationDefaults();
        Double limit = defaults.getOrDefault("max_tokens", defaults.get("max_new_tokens"));
        return spec.paramsFor(
                prompt.ids().length, model.maxModelLength(), limit == null ? Integer.MAX_VALUE : limit.intValue());
    }

    /** An id that no other answer has. */
    static String unique() {
        return UUID.randomUUID().toString().replace("-", "");
    }
}
