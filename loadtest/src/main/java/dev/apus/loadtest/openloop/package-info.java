/** Requests that arrive whatever the server does, over SSE or gRPC. */
@NullMarked
package dev.apus.loadtest.openloop;

import org.jspecify.annotations.NullMarked;
