package dev.apus.server.http;

import dev.apus.scheduler.Request;
import dev.apus.scheduler.Tenant;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What the headers of a request say of when its answer is wanted and on whose account. The names are those of the Gateway API inference
 * extension, or like them.
 *
 * @param ttftNanos within how long after its arrival the first token is wanted; 0 if not said
 * @param timeoutNanos within how long after its arrival the answer is wanted; 0 if not said
 * @param priority lower goes first among the requests of its tenant; null if not said
 * @param fairnessId on whose account it runs where no API key tells; null if not said
 */
record Slo(
        long ttftNanos,
        long timeoutNanos,
        @Nullable Integer priority,
        @Nullable String fairnessId) {
    /** Milliseconds within which the first token is wanted. */
    static final String TTFT = "x-slo-ttft-ms";
    /** Seconds within which the answer is wanted. */
    static final String TIMEOUT = "x-request-timeout";
    /** The body's {@code priority} for clients and gateways that do not write the body. */
    static final String PRIORITY = "x-request-priority";

    static final String FAIRNESS = "x-gateway-inference-fairness-id";

    /** So short that nothing is lost in a double. */
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,9}(\\.[0-9]{1,9})?");

    private static final Pattern INTEGER = Pattern.compile("[+-]?[0-9]{1,9}");
    /** What tenants of keys may be called. */
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._:/@+=-]{1,128}");

    private static final double NANOS_PER_SECOND = 1e9;
    private static final double NANOS_PER_MILLI = 1e6;
    private static final int DAY_SECONDS = 86_400;

    /**
     * Reads the headers.
     *
     * @param header gives the value of a header by its name in lower case, or null
     * @throws ApiException 400 naming a header whose value is not allowed
     */
    static Slo read(Function<String, @Nullable String> header) {
        String id = header.apply(FAIRNESS);
        if (id != null && !NAME.matcher(id).matches()) {
            throw ApiException.invalid(
                    FAIRNESS,
                    "the header '" + FAIRNESS + "' must have 1 to 128 characters out of letters, digits and ._:/@+=-");
        }
        return new Slo(
                nanos(header, TTFT, NANOS_PER_MILLI, "milliseconds", 1000L * DAY_SECONDS),
                nanos(header, TIMEOUT, NANOS_PER_SECOND, "seconds", DAY_SECONDS),
                priority(header),
                id);
    }

    /** Reads the headers of a request over HTTP. */
    static Slo of(Exchange exchange) {
        return read(exchange.headers()::get);
    }

    /**
     * On whose account the engine works: the key's tenant; where no keys are asked for, that of the header.
     *
     * @param slo the headers of the exchange
     */
    static Tenant tenantOf(Exchange exchange, Slo slo) {
        Tenant tenant = Access.tenantOf(exchange);
        String id = slo.fairnessId;
        return exchange.principal().hasNoKey() && id != null
                ? new Tenant(id, tenant.weight(), tenant.kvShare())
                : tenant;
    }

    /** The request with these wishes: the shorter of two deadlines counts, a priority of its own goes before the header's. */
    Request apply(Request request) {
        long deadline = request.deadlineNanos();
        if (timeoutNanos > 0) {
            deadline = deadline == 0 ? timeoutNanos : Math.min(deadline, timeoutNanos);
        }
        Request wished = request.withDeadlineNanos(deadline).withTtftDeadlineNanos(ttftNanos);
        Integer given = priority;
        return given == null || request.priority() != 0 ? wished : wished.withPriority(given);
    }

    private static long nanos(
            Function<String, @Nullable String> header, String name, double unit, String units, long most) {
        String text = header.apply(name);
        if (text == null) {
            return 0;
        }
        double value = NUMBER.matcher(text).matches() ? Double.parseDouble(text) : 0;
        if (value <= 0 || value > most) {
            throw ApiException.invalid(
                    name,
                    "the header '" + name + "' is " + shown(text) + ", must be a number of " + units
                            + " above 0, at most " + most);
        }
        return Math.max(1, Math.round(value * unit));
    }

    private static @Nullable Integer priority(Function<String, @Nullable String> header) {
        String text = header.apply(PRIORITY);
        if (text == null) {
            return null;
        }
        if (!INTEGER.matcher(text).matches()) {
            throw ApiException.invalid(
                    PRIORITY,
                    "the header '" + PRIORITY + "' is " + shown(text) + ", must be a whole number of at most 9 digits");
        }
        return Integer.valueOf(text);
    }

    /** A client's text, short enough for a message. */
    private static String shown(String text) {
        return "'" + (text.length() <= 40 ? text : text.substring(0, 40) + "...") + "'";
    }
}
