/** Requests, continuous batching and the engine loop. */
@NullMarked
package dev.apus.scheduler;

import org.jspecify.annotations.NullMarked;
