/** The CUDA backend: device objects, compiled kernels and what runs on them. Driver API only, through {@code java.lang.foreign}. */
@NullMarked
package dev.apus.kernels.cuda;

import org.jspecify.annotations.NullMarked;
