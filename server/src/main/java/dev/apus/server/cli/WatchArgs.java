package dev.apus.server.cli;

import dev.apus.server.http.AccessLogFormat;
import dev.apus.server.http.WatchOptions;
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

    WatchOptions options() {
        return switch (accessLog) {
            case off -> WatchOptions.NONE;
            case text -> WatchOptions.logging(AccessLogFormat.TEXT);
            case json -> WatchOptions.logging(AccessLogFormat.JSON);
        };
    }
}
