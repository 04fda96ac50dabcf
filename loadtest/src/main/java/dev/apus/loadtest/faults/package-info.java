/** Clients that behave badly, on purpose, and the keys and certificates that change meanwhile. */
@NullMarked
package dev.apus.loadtest.faults;

import org.jspecify.annotations.NullMarked;
