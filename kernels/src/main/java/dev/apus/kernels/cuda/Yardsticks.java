package dev.apus.kernels.cuda;

/**
 * What a device can do at best, measured: the scale on which kernels' figures mean something.
 *
 * @param device its name
 * @param copyBytes of each of the two buffers of the copy
 * @param copyRate bytes a second, read and written, of a copy within the device
 * @param product who computed the matrix product: cuBLASLt, or the backend's own kernel where there is none
 * @param firstOperations operations a second of a bf16 product of 8192 x 8192 x 8192, the first ten
 * @param sustainedOperations the same over three seconds: what power and heat leave
 */
public record Yardsticks(
        String device,
        long copyBytes,
        double copyRate,
        String product,
        double firstOperations,
        double sustainedOperations) {}
