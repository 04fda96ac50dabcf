/** What clients saw: latencies, outcomes, and what is said of them in the end. */
@NullMarked
package dev.apus.loadtest.measure;

import org.jspecify.annotations.NullMarked;
