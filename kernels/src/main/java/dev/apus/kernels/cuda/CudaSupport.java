package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.ApusCache;
import dev.apus.kernels.cuda.ffi.CublasLt;
import dev.apus.kernels.cuda.ffi.Cuda;
import dev.apus.kernels.cuda.ffi.CudaException;
import dev.apus.kernels.cuda.ffi.CudaVersions;
import dev.apus.kernels.cuda.ffi.NativeLinkException;
import dev.apus.kernels.cuda.ffi.Nvrtc;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Whether this machine can run the CUDA backend, and what it lacks. Never throws for what is missing. */
public final class CudaSupport {
    static final String GET_NVRTC =
            "install it (pip install nvidia-cuda-nvrtc, or a CUDA toolkit), name its folder with"
                    + " APUS_CUDA_PATH, or let `apus doctor --fetch-cuda` fetch it";

    /** Tensor cores with bf16 and asynchronous copies: Ampere. */
    private static final int OLDEST_CAPABILITY = 80;

    private CudaSupport() {}

    /** Why the CUDA backend cannot run here and what to do, in one sentence; null if nothing is known to stand in its way. */
    public static @Nullable String obstacle() {
        String driver = driverObstacle();
        if (driver != null) {
            return driver;
        }
        if (!Nvrtc.library().isPresent() && new CubinCache(KernelCompiler.kernelFolder(ApusCache.folder())).isEmpty()) {
            return "kernels cannot be compiled: " + Nvrtc.library().obstacle() + "; " + GET_NVRTC;
        }
        return null;
    }

    /** Whether a driver is installed, usable or not. */
    public static boolean hasDriver() {
        return Cuda.library().isPresent();
    }

    private static @Nullable String driverObstacle() {
        if (!Cuda.library().isPresent()) {
            return "there is no NVIDIA driver here (its library libcuda.so.1 cannot be loaded); install version 525 or newer, or"
                    + " run on the CPU";
        }
        try {
            int version = Cuda.driverVersion();
            if (version < CudaVersions.OLDEST_DRIVER) {
                return "the NVIDIA driver is too old: it runs CUDA " + CudaVersions.name(version)
                        + ", at least " + CudaVersions.name(CudaVersions.OLDEST_DRIVER)
                        + " is needed; install a driver of version 525 or newer";
            }
            Cuda.init();
            int count = Cuda.deviceCount();
            if (count == 0) {
                return "the NVIDIA driver shows no device; check nvidia-smi and CUDA_VISIBLE_DEVICES";
            }
            int capability = capability(0);
            return capability >= OLDEST_CAPABILITY
                    ? null
                    : Cuda.deviceName(Cuda.device(0)) + " has compute capability " + capability / 10 + "."
                            + capability % 10
                            + ", the kernels need 8.0 (Ampere) or newer; choose another device with CUDA_VISIBLE_DEVICES";
        } catch (CudaException | NativeLinkException e) {
            return "the NVIDIA driver cannot be used: " + e.getMessage();
        }
    }

    private static int capability(int ordinal) {
        int device = Cuda.device(ordinal);
        return 10 * Cuda.deviceAttribute(Cuda.COMPUTE_CAPABILITY_MAJOR, device)
                + Cuda.deviceAttribute(Cuda.COMPUTE_CAPABILITY_MINOR, device);
    }

    /**
     * What is known about one part of CUDA.
     *
     * @param part as {@code driver} or {@code device 0}
     * @param state what it is and where it came from; or what is missing, for what it would be needed and what to do
     * @param usable whether it can be used
     */
    public record Finding(String part, String state, boolean usable) {}

    /** Driver, devices and libraries, each with its origin or with what to do; for {@code apus doctor}. */
    public static List<Finding> findings() {
        List<Finding> findings = new ArrayList<>();
        String obstacle = driverObstacle();
        findings.add(
                obstacle == null
                        ? new Finding(
                                "driver",
                                "runs CUDA " + CudaVersions.name(Cuda.driverVersion()) + " and older, from "
                                        + Cuda.library().origin(),
                                true)
                        : new Finding("driver", obstacle, false));
        if (obstacle == null) {
            devices(findings);
        }
        findings.add(
                Nvrtc.library().isPresent()
                        ? new Finding(
                                "NVRTC",
                                Nvrtc.version() + " from " + Nvrtc.library().origin(),
                                true)
                        : new Finding(
                                "NVRTC",
                                "needed to compile kernels at first use: "
                                        + Nvrtc.library().obstacle() + "; " + GET_NVRTC,
                                false));
        findings.add(
                CublasLt.library().isPresent()
                        ? new Finding(
                                "cuBLASLt",
                                cublasVersion() + " from " + CublasLt.library().origin(),
                                true)
                        : new Finding(
                                "cuBLASLt",
                                "needed for fast prefill: " + CublasLt.library().obstacle() + "; " + GET_CUBLASLT,
                                false));
        return findings;
    }

    private static final String GET_CUBLASLT =
            "install it (pip install nvidia-cublas, or a CUDA toolkit), name its folder with"
                    + " APUS_CUDA_PATH, or let `apus doctor --fetch-cuda` fetch it";

    /** cuBLASLt's number of its version is 10000 major + 100 minor + patch. */
    private static String cublasVersion() {
        long version = CublasLt.version();
        return version / 10_000 + "." + version / 100 % 100 + "." + version % 100;
    }

    private static void devices(List<Finding> findings) {
        for (int i = 0; i < Cuda.deviceCount(); i++) {
            int device = Cuda.device(i);
            int capability = capability(i);
            findings.add(new Finding(
                    "device " + i,
                    Cuda.deviceName(device) + ", compute capability " + capability / 10 + "." + capability % 10 + ", "
                            + Cuda.deviceAttribute(Cuda.MULTIPROCESSOR_COUNT, device) + " multiprocessors, "
                            + (Cuda.totalMemory(device) >> 30) + " GiB",
                    capability >= OLDEST_CAPABILITY));
        }
    }
}
