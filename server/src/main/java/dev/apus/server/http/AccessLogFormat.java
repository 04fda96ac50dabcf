package dev.apus.server.http;

/** How requests are logged. */
public enum AccessLogFormat {
    /** Not at all. */
    OFF,
    /** A line of {@code name=value} pairs each, as logfmt has them. */
    TEXT,
    /** A line with a JSON object each. */
    JSON
}
