/** Measurements of the whole engine and of the server, for {@code apus bench}. */
@NullMarked
package dev.apus.server.bench;

import org.jspecify.annotations.NullMarked;
