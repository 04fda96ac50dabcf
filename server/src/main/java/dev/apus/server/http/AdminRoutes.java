package dev.apus.server.http;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import dev.apus.scheduler.EngineStats;
import dev.apus.scheduler.ServedModel;
import dev.apus.server.http.Route.Kind;
import dev.apus.server.http.Route.Needs;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;

/** What changes the server for everybody, under vLLM's names where it has the same: pause, sleep, caches, the log. Thread-safe. */
final class AdminRoutes {
    private static final org.slf4j.Logger LOG = LoggerFactory.getLogger(AdminRoutes.class);
    private static final byte[] DONE = "{\"success\":true}".getBytes(StandardCharsets.US_ASCII);
    /** Libraries may log what clients send, their keys among it. */
    private static final String LOGGERS = "dev.apus";

    /** As many as one order may name. */
    private static final int MOST_IDS = 1024;

    private static final List<String> LEVELS = List.of("ERROR", "WARN", "INFO", "DEBUG", "TRACE");

    private final ServedModel model;
    private final HttpOptions options;
    private final JsonBody json;
    private final InFlight inFlight;

    AdminRoutes(ServedModel model, HttpOptions options, JsonBody json, InFlight inFlight) {
        this.model = model;
        this.options = options;
        this.json = json;
        this.inFlight = inFlight;
    }

    List<Route> routes() {
        return List.of(
                post("/pause", this::pause),
                post("/drain", this::pause),
                post("/resume", this::resume),
                post("/undrain", this::resume),
                get("/is_paused", this::isPaused),
                post("/sleep", this::sleep),
                post("/wake_up", this::resume),
                get("/is_sleeping", this::isSleeping),
                post("/reset_prefix_cache", this::resetPrefixCache),
                post("/abort_requests", this::abortRequests),
                get("/log_level", this::logLevel),
                post("/log_level", this::setLogLevel),
                get("/server_info", this::serverInfo));
    }

    private static Route post(String path, Route.Handler handler) {
        return new Route("POST", path, Kind.ORDINARY, Needs.ADMIN, handler);
    }

    private static Route get(String path, Route.Handler handler) {
        return new Route("GET", path, Kind.ORDINARY, Needs.ADMIN, handler);
    }

    /** Takes no more requests for text: at once, or answering when those that run have ended or been aborted. */
    private void pause(Exchange exchange) {
        String mode = query(exchange, "mode", Set.of("", "wait", "abort"));
        inFlight.pause();
        LOG.info("paused by '{}'{}", exchange.principal().key(), mode.isEmpty() ? "" : ", mode " + mode);
        if (mode.equals("abort")) {
            inFlight.abortAll();
        }
        if (mode.isEmpty()) {
            isPaused(exchange);
        } else {
            inFlight.whenEmpty(() -> isPaused(exchange));
        }
    }

    private void resume(Exchange exchange) {
        inFlight.resume();
        LOG.info("resumed by '{}'", exchange.principal().key());
        isPaused(exchange);
    }

    private void isPaused(Exchange exchange) {
        JsonOut out = new JsonOut().raw("{\"is_paused\":").raw(Boolean.toString(inFlight.isPaused()));
        exchange.respondJson(
                200,
                out.raw(",\"in_flight\":").number(inFlight.count()).raw("}").toBytes());
    }

    private void sleep(Exchange exchange) {
        String level = query(exchange, "level", Set.of("", "0", "1", "2"));
        if (!level.equals("0")) {
            throw new ApiException(
                    501,
                    "sleep level " + (level.isEmpty() ? "1" : level)
                            + " would take the weights off the device, which this engine cannot while it runs; level 0"
                            + " takes no more requests and keeps all",
                    "level",
                    "unsupported_sleep_level",
                    0);
        }
        pause(exchange);
    }

    private void isSleeping(Exchange exchange) {
        exchange.respondJson(
                200,
                new JsonOut()
                        .raw("{\"is_sleeping\":")
                        .raw(Boolean.toString(inFlight.isPaused()))
                        .raw("}")
                        .toBytes());
    }

    private void resetPrefixCache(Exchange exchange) {
        // On a virtual thread, which may wait.
        model.engine().resetPrefixCache().join();
        LOG.info("the prefix cache is reset by '{}'", exchange.principal().key());
        exchange.respondJson(200, DONE);
    }

    /** Ends requests by the ids in their {@code x-request-id}. */
    private void abortRequests(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        JsonNode given = fields.node("request_ids");
        if (given == null) {
            throw fields.missing("request_ids");
        }
        if (!given.isArray()) {
            throw fields.wrongType("request_ids", given, "a list of request ids");
        }
        Fields.checkSize("request_ids", given.size(), MOST_IDS);
        Set<String> ids = new HashSet<>();
        for (JsonNode id : given) {
            if (!id.isString()) {
                throw fields.wrongType("request_ids", id, "a list of request ids");
            }
            ids.add(id.asString());
        }
        GenerationRoutes.warn(exchange, fields);
        int aborted = inFlight.abort(ids);
        LOG.info(
                "{} requests are aborted by '{}'", aborted, exchange.principal().key());
        exchange.respondJson(
                200, new JsonOut().raw("{\"aborted\":").number(aborted).raw("}").toBytes());
    }

    private void logLevel(Exchange exchange) {
        tellLevel(exchange, logger(LOGGERS));
    }

    private void setLogLevel(Exchange exchange) {
        Fields fields = new Fields(json.parse(exchange.body()));
        String level = fields.requiredString("level").toUpperCase(Locale.ROOT);
        String given = fields.string("logger");
        String name = given == null ? LOGGERS : given;
        if (!LEVELS.contains(level)) {
            throw ApiException.invalid("level", "'level' must be one of " + String.join(", ", LEVELS));
        }
        if (!name.matches("dev\\.apus(\\.[A-Za-z0-9_]{1,64}){0,8}")) {
            throw ApiException.invalid(
                    "logger",
                    "'logger' must be " + LOGGERS + " or begin so: other libraries may log what clients send");
        }
        GenerationRoutes.warn(exchange, fields);
        Logger logger = logger(name);
        logger.setLevel(Level.toLevel(level));
        LOG.info(
                "the log of {} is set to {} by '{}'",
                name,
                level,
                exchange.principal().key());
        tellLevel(exchange, logger);
    }

    private static void tellLevel(Exchange exchange, Logger logger) {
        JsonOut out = new JsonOut().raw("{\"logger\":").string(logger.getName()).raw(",\"level\":");
        exchange.respondJson(
                200, out.string(logger.getEffectiveLevel().toString()).raw("}").toBytes());
    }

    private static Logger logger(String name) {
        if (LoggerFactory.getILoggerFactory() instanceof LoggerContext context) {
            return context.getLogger(name);
        }
        throw new ApiException(
                501, "the log is not Logback's, its level cannot be changed here", null, "unsupported_log", 0);
    }

    private void serverInfo(Exchange exchange) {
        EngineStats stats = model.engine().stats();
        JsonOut out = new JsonOut().raw("{\"version\":").string(InfoRoutes.version());
        out.raw(",\"model\":").string(model.name());
        out.raw(",\"max_model_len\":").number(model.maxModelLength());
        out.raw(",\"vocab_size\":").number(model.vocabSize());
        out.raw(",\"num_gpu_blocks\":").number(stats.totalBlocks());
        out.raw(",\"block_size\":").number(stats.blockSize());
        out.raw(",\"max_connections\":").number(options.maxConnections());
        out.raw(",\"max_body_bytes\":").number(options.maxBodyBytes());
        out.raw(",\"max_header_bytes\":").number(options.maxHeaderBytes());
        out.raw(",\"isolate_prefix_cache\":")
                .raw(Boolean.toString(options.security().isolatePrefixCache()));
        out.raw(",\"is_paused\":").raw(Boolean.toString(inFlight.isPaused()));
        exchange.respondJson(200, out.raw("}").toBytes());
    }

    /** A parameter of the query, empty if it is not there. */
    private static String query(Exchange exchange, String name, Set<String> allowed) {
        Map<String, List<String>> all;
        try {
            all = new QueryStringDecoder(exchange.query(), StandardCharsets.UTF_8, false).parameters();
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest("the query holds a wrong percent escape");
        }
        List<String> values = all.getOrDefault(name, List.of(""));
        if (values.size() != 1 || !allowed.contains(values.getFirst())) {
            Set<String> words = new TreeSet<>(allowed);
            words.remove("");
            throw ApiException.invalid(name, "'" + name + "' must be one of " + words + ", once");
        }
        return values.getFirst();
    }
}
