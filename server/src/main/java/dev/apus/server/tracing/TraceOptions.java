package dev.apus.server.tracing;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Where traces go, by OpenTelemetry's environment variables.
 *
 * @param endpoint the collector's address for traces, HTTP or HTTPS
 * @param headers sent with each batch, such as a key
 * @param timeout of one try
 * @param sampler which traces are recorded
 * @param resource what the spans are told to come from
 * @param maxQueueSize most spans that wait
 * @param maxBatchSize most spans of one batch
 * @param scheduleDelay how long spans wait for others at most
 */
public record TraceOptions(
        URI endpoint,
        Map<String, String> headers,
        Duration timeout,
        Sampler sampler,
        Map<String, String> resource,
        int maxQueueSize,
        int maxBatchSize,
        Duration scheduleDelay) {
    private static final String ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private static final String TRACES_PATH = "v1/traces";
    private static final int MOST_QUEUED = 1 << 20;

    public TraceOptions {
        headers = Map.copyOf(headers);
        resource = Map.copyOf(resource);
    }

    /**
     * The options that an environment gives.
     *
     * @param given the collector's address by option, which goes before the environment's; null if there is none
     * @param environment variables by name
     * @return null if traces are not asked for
     * @throws IllegalArgumentException naming the variable that is wrong, and what is allowed
     */
    public static @Nullable TraceOptions read(@Nullable String given, Map<String, String> environment) {
        Environment variables = new Environment(environment);
        String exporter = variables.get("OTEL_TRACES_EXPORTER", "otlp");
        boolean off = variables.get("OTEL_SDK_DISABLED", "false").equalsIgnoreCase("true") || exporter.equals("none");
        URI endpoint = off ? null : endpoint(given, variables);
        if (endpoint == null) {
            return null;
        }
        if (!exporter.equals("otlp")) {
            throw new IllegalArgumentException("OTEL_TRACES_EXPORTER is '" + exporter + "', must be otlp or none");
        }
        String protocol = variables.traces("PROTOCOL", "http/protobuf");
        if (!protocol.equals("http/protobuf")) {
            throw new IllegalArgumentException("OTEL_EXPORTER_OTLP_PROTOCOL is '" + protocol
                    + "', must be http/protobuf; collectors listen for it on port 4318");
        }
        int queue = variables.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, MOST_QUEUED);
        return new TraceOptions(
                endpoint,
                pairs("OTEL_EXPORTER_OTLP_HEADERS", variables.traces("HEADERS", "")),
                Duration.ofMillis(variables.timeout()),
                Sampler.of(variables.find("OTEL_TRACES_SAMPLER"), variables.find("OTEL_TRACES_SAMPLER_ARG")),
                resource(variables),
                queue,
                Math.min(queue, variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1, MOST_QUEUED)),
                Duration.ofMillis(variables.number("OTEL_BSP_SCHEDULE_DELAY", 5000, 1, 3_600_000)));
    }

    private static @Nullable URI endpoint(@Nullable String given, Environment variables) {
        if (given != null) {
            URI address = address("--otlp-traces-endpoint", given);
            return address.getRawPath().length() <= 1 ? address.resolve("/" + TRACES_PATH) : address;
        }
        String traces = variables.find("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        if (traces != null) {
            return address("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces);
        }
        String all = variables.find(ENDPOINT);
        return all == null ? null : address(ENDPOINT, all + (all.endsWith("/") ? "" : "/") + TRACES_PATH);
    }

    private static URI address(String name, String text) {
        try {
            URI address = new URI(text);
            String scheme = String.valueOf(address.getScheme());
            if ((scheme.equals("http") || scheme.equals("https")) && address.getHost() != null) {
                return address;
            }
        } catch (URISyntaxException e) {
            // Refused below, like an address of another kind.
        }
        throw new IllegalArgumentException(
                name + " is '" + text
                        + "', must be the address of a collector that takes OTLP over HTTP, as http://127.0.0.1:4318/v1/traces");
    }

    private static Map<String, String> resource(Environment variables) {
        Map<String, String> resource =
                new TreeMap<>(pairs("OTEL_RESOURCE_ATTRIBUTES", variables.get("OTEL_RESOURCE_ATTRIBUTES", "")));
        String service = variables.find("OTEL_SERVICE_NAME");
        if (service != null) {
            resource.put("service.name", service);
        }
        resource.putIfAbsent("service.name", "apus");
        return resource;
    }

    /** {@code a=b,c=d} with values percent-encoded. */
    private static Map<String, String> pairs(String name, String text) {
        Map<String, String> pairs = new TreeMap<>();
        for (String part : text.split(",", -1)) {
            int equals = part.indexOf('=');
            if (equals > 0) {
                String value = part.substring(equals + 1).strip();
                // A plus sign is itself here.
                pairs.put(
                        part.substring(0, equals).strip(),
                        URLDecoder.decode(value.replace("+", "%2B"), StandardCharsets.UTF_8));
            } else if (!part.isBlank()) {
                // Its value may be a key, so it is not shown.
                throw new IllegalArgumentException(name + " must hold pairs as name=value, divided by commas");
            }
        }
        return pairs;
    }

    /** Variables, of which an empty one is as good as none. */
    private record Environment(Map<String, String> variables) {
        @Nullable
        String find(String name) {
            String value = variables.get(name);
            return value == null || value.isBlank() ? null : value.strip();
        }

        String get(String name, String usual) {
            String value = find(name);
            return value == null ? usual : value;
        }

        /** That of traces alone goes before that of all signals. */
        String traces(String what, String usual) {
            return get("OTEL_EXPORTER_OTLP_TRACES_" + what, get("OTEL_EXPORTER_OTLP_" + what, usual));
        }

        int timeout() {
            String name = find("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") == null
                    ? "OTEL_EXPORTER_OTLP_TIMEOUT"
                    : "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT";
            return number(name, 10_000, 1, 600_000);
        }

        int number(String name, int usual, int least, int most) {
            String value = find(name);
            if (value == null) {
                return usual;
            }
            try {
                int number = Integer.parseInt(value);
                if (number >= least && number <= most) {
                    return number;
                }
            } catch (NumberFormatException e) {
                // Refused below, like a number out of range.
            }
            throw new IllegalArgumentException(
                    name + " is '" + value + "', must be a whole number from " + least + " to " + most);
        }
    }
}
