/** The CPU backend: a scalar oracle, kernels on the Vector API and the pool of threads that both run on. */
@NullMarked
package dev.apus.kernels.cpu;

import org.jspecify.annotations.NullMarked;
