package dev.apus.server.http;

import dev.apus.server.tracing.TraceOptions;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/**
 * What those who watch the server are told of its requests, besides metrics.
 *
 * @param accessLog how requests are logged
 * @param accessLogTo where to; not closed by the server
 * @param traces where traces of requests go; null for nowhere
 */
public record WatchOptions(
        AccessLogFormat accessLog,
        OutputStream accessLogTo,
        @Nullable TraceOptions traces) {
    /** Nothing. */
    public static final WatchOptions NONE =
            new WatchOptions(AccessLogFormat.OFF, OutputStream.nullOutputStream(), null);

    /** These with a log of requests on the standard output. */
    public WatchOptions withAccessLog(AccessLogFormat format) {
        return new WatchOptions(format, new FileOutputStream(FileDescriptor.out), traces);
    }

    /** These with a log of requests. */
    public WatchOptions withAccessLog(AccessLogFormat format, OutputStream to) {
        return new WatchOptions(format, to, traces);
    }

    /** These with traces. */
    public WatchOptions withTraces(@Nullable TraceOptions value) {
        return new WatchOptions(accessLog, accessLogTo, value);
    }
}
