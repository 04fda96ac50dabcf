package dev.apus.server.http;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;

/**
 * What those who watch the server are told of its requests, besides metrics.
 *
 * @param accessLog how requests are logged
 * @param accessLogTo where to; not closed by the server
 */
public record WatchOptions(AccessLogFormat accessLog, OutputStream accessLogTo) {
    /** Nothing. */
    public static final WatchOptions NONE = new WatchOptions(AccessLogFormat.OFF, OutputStream.nullOutputStream());

    /** A log of requests on the standard output. */
    public static WatchOptions logging(AccessLogFormat format) {
        return new WatchOptions(format, new FileOutputStream(FileDescriptor.out));
    }
}
