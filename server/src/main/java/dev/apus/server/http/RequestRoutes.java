package dev.apus.server.http;

import dev.apus.scheduler.Engine;
import dev.apus.scheduler.Request;
import dev.apus.scheduler.RequestStats;
import dev.apus.server.http.Route.Kind;
import dev.apus.server.http.Route.Needs;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which requests are in flight and how far each is: snapshots of the front end and of the engine, neither of which waits. Nothing of what
 * they say is shown. Thread-safe.
 */
final class RequestRoutes {
    /** More than anybody reads; an answer of some 300 KiB. */
    private static final int MOST = 1000;

    private final Engine engine;
    private final InFlight inFlight;

    RequestRoutes(Engine engine, InFlight inFlight) {
        this.engine = engine;
        this.inFlight = inFlight;
    }

    List<Route> routes() {
        return List.of(new Route("GET", "/debug/requests", Kind.WATCH, Needs.MONITOR, this::requests));
    }

    private void requests(Exchange exchange) {
        Map<String, RequestStats> known = new HashMap<>();
        engine.requests().forEach(stats -> known.put(stats.id(), stats));
        JsonOut out = new JsonOut().raw("{\"object\":\"list\",\"total\":").number(inFlight.count());
        out.raw(",\"data\":[");
        List<Exchange> requests = inFlight.oldest(MOST);
        long now = System.nanoTime();
        boolean first = true;
        for (Exchange request : requests) {
            out.raw(first ? "" : ",");
            first = false;
            write(out, request, known, now);
        }
        exchange.header("cache-control", "no-store");
        exchange.respondJson(200, out.raw("]}").toBytes());
    }

    private static void write(JsonOut out, Exchange request, Map<String, RequestStats> known, long now) {
        Generating work = request.generating();
        out.raw("{\"request_id\":").string(request.requestId());
        out.raw(",\"path\":").string(request.route());
        out.raw(",\"tenant\":").string(tenant(request, work));
        out.raw(",\"age_seconds\":").raw(decimals((now - request.arrivalNanos()) * 1e-9));
        if (work == null) {
            out.raw(",\"state\":\"received\",\"priority\":0,\"sequences\":0,\"prompt_tokens\":0,\"cached_tokens\":0");
            out.raw(",\"computed_tokens\":0,\"generated_tokens\":0,\"max_tokens\":0,\"preemptions\":0");
            out.raw(",\"tokens_per_second\":0}");
            return;
        }
        Sum sum = new Sum();
        for (Request sequence : work.requests()) {
            sum.add(sequence, known.get(sequence.id()));
        }
        out.raw(",\"state\":").string(sum.state(work));
        out.raw(",\"priority\":").number(work.requests().getFirst().priority());
        out.raw(",\"sequences\":").number(work.requests().size());
        out.raw(",\"prompt_tokens\":").number(sum.prompt);
        out.raw(",\"cached_tokens\":").number(sum.cached);
        out.raw(",\"computed_tokens\":").number(sum.computed);
        out.raw(",\"generated_tokens\":").number(work.generated());
        out.raw(",\"max_tokens\":").number(sum.most);
        out.raw(",\"preemptions\":").number(sum.preemptions);
        out.raw(",\"tokens_per_second\":")
                .raw(decimals(work.tokensPerSecond(now)))
                .raw("}");
    }

    private static String tenant(Exchange request, @Nullable Generating work) {
        return work == null
                ? request.principal().tenant()
                : work.requests().getFirst().tenant().name();
    }

    private static String decimals(double value) {
        return String.format(Locale.ROOT, "%.3f", value);
    }

    /** All sequences of a request together. */
    private static final class Sum {
        private long prompt;
        private long cached;
        private long computed;
        private long most;
        private long preemptions;
        private RequestStats.@Nullable State state;

        void add(Request sequence, @Nullable RequestStats stats) {
            prompt += sequence.prompt().length;
            most += sequence.params().maxTokens();
            if (stats != null) {
                cached += stats.cachedTokens();
                computed += stats.computedTokens();
                preemptions += stats.preemptions();
                RequestStats.State before = state;
                state = before == null || stats.state() == RequestStats.State.RUNNING ? stats.state() : before;
            }
        }

        /** Of an engine that tells nothing, what came says it. */
        String state(Generating work) {
            if (work.isDone()) {
                return "sending";
            }
            RequestStats.State told = state;
            if (told != null) {
                return told.name().toLowerCase(Locale.ROOT);
            }
            return work.generated() > 0 ? "running" : "waiting";
        }
    }
}
