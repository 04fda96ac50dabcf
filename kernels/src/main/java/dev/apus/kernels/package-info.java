/** Tensors, the operations on them and the devices that run these; knows nothing of models or requests. */
@NullMarked
package dev.apus.kernels;

import org.jspecify.annotations.NullMarked;
