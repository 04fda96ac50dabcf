package dev.apus.kernels.cuda.ffi;

import java.util.List;

/** Which major versions of NVIDIA's libraries go with the driver. */
public final class CudaVersions {
    /** CUDA 12.0, the oldest driver whose features (programmatic launches in graphs) are used. */
    public static final int OLDEST_DRIVER = 12_000;

    private static final int CUDA_13 = 13_000;

    private CudaVersions() {}

    /** {@code 12.8} of 12080. */
    public static String name(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }

    /** A driver runs code of its own major version and of older ones, not of newer ones. */
    static List<String> sonames(String base) {
        return sonames(base, oldDriver());
    }

    /** A driver that is there and does not even tell its version is the report's affair, not that of the search for other libraries. */
    private static boolean oldDriver() {
        try {
            return Cuda.library().isPresent() && Cuda.driverVersion() < CUDA_13;
        } catch (CudaException | NativeLinkException e) {
            return false;
        }
    }

    static List<String> sonames(String base, boolean oldDriver) {
        return oldDriver ? List.of(base + ".12") : List.of(base + ".13", base + ".12");
    }
}
