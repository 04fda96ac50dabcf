package dev.apus.server.cli;

import dev.apus.server.http.AccessLogFormat;
import dev.apus.server.http.WatchOptions;
import dev.apus.server.tracing.TraceOptions;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options about what is told of requests. */
final class WatchArgs {
    /** By the names of the command line. */
    enum AccessLogChoice {
        off,
        text,
        json
    }

    @Option(
            names = "--access-log",
            paramLabel = "FORMAT",
            defaultValue = "off",
            description = "Log requests on the standard output: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}")
    private AccessLogChoice accessLog = AccessLogChoice.off;

    @Option(
            names = "--otlp-traces-endpoint",
            paramLabel = "URL",
            description =
                    "Send OpenTelemetry traces to this collector, as http://127.0.0.1:4318/v1/traces; the variables"
                            + " OTEL_* are followed as well. Default: none")
    private @Nullable String otlpTracesEndpoint;

    /** @throws IllegalArgumentException naming the option or variable that is wrong */
    WatchOptions options(Map<String, String> environment) {
        WatchOptions traced = WatchOptions.NONE.withTraces(TraceOptions.read(otlpTracesEndpoint, environment));
        return switch (accessLog) {
            case off -> traced;
            case text -> traced.withAccessLog(AccessLogFormat.TEXT);
            case json -> traced.withAccessLog(AccessLogFormat.JSON);
        };
    }
}
