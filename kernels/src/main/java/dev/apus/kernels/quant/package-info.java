/** Decoders of stored weight formats: the reference that every faster reader is tested against. */
@NullMarked
package dev.apus.kernels.quant;

import org.jspecify.annotations.NullMarked;
