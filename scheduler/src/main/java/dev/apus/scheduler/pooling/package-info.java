/** Vectors and labels of texts: what encoders, and decoders between two steps, make of whole sequences. */
@NullMarked
package dev.apus.scheduler.pooling;

import org.jspecify.annotations.NullMarked;
