/** Bindings of NVIDIA's libraries: one class a library, each function declared once beside its handle. */
@NullMarked
package dev.apus.kernels.cuda.ffi;

import org.jspecify.annotations.NullMarked;
