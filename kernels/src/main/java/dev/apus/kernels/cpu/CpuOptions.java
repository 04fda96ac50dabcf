package dev.apus.kernels.cpu;

/**
 * How a {@link CpuBackend} computes.
 *
 * @param kernels which provider of kernels
 * @param threads threads that compute, 0 for one per processor
 */
public record CpuOptions(Provider kernels, int threads) {
    /** Implementations of the kernels. */
    public enum Provider {
        /** Plain loops: slow, and the oracle of every kernel test. */
        SCALAR,
        /** The Vector API; an error where the JVM cannot run it well. */
        VECTOR,
        /** VECTOR where the JVM runs it well, else SCALAR. */
        AUTO
    }

    public CpuOptions {
        if (threads < 0 || threads > 1024) {
            throw new IllegalArgumentException(
                    "threads is " + threads + "; 1 to 1024 are allowed, or 0 for one per processor");
        }
    }

    /** The fastest kernels on every processor. */
    public static CpuOptions defaults() {
        return new CpuOptions(Provider.AUTO, 0);
    }
}
