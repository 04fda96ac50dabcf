/** Traces of requests, sent to an OpenTelemetry collector. */
@NullMarked
package dev.apus.server.tracing;

import org.jspecify.annotations.NullMarked;
