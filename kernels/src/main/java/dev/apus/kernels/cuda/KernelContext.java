package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import java.util.Map;
import java.util.TreeMap;

/**
 * What every family of kernels works with.
 *
 * @param activation element type of activations and weights, BF16 or F32
 * @param kv element type of cached keys and values: BF16 or F8_E4M3 with BF16 activations, F32 with F32 ones
 * @param args arguments of launches; of the thread that launches
 */
record KernelContext(
        CudaDevice device, CudaStream stream, KernelCompiler compiler, DType activation, DType kv, LaunchArgs args) {
    KernelContext {
        boolean plain = activation == DType.F32 && kv == DType.F32;
        if (!plain && (activation != DType.BF16 || (kv != DType.BF16 && kv != DType.F8_E4M3))) {
            throw new IllegalArgumentException("activations of " + activation + " with a KV cache of " + kv
                    + "; BF16 with BF16 or F8_E4M3, and F32 with F32 are supported");
        }
        if (kv == DType.F8_E4M3 && device.capability() < 89) {
            throw new IllegalArgumentException(
                    "a KV cache of F8_E4M3 needs a device of compute capability 8.9 or newer; " + device.name()
                            + " has " + device.capability() / 10.0);
        }
    }

    /**
     * The defines of the types, and further ones.
     *
     * @param more names and values in turn: {@code defines("HEAD_DIM", 128, "STAGES", 3)}
     */
    Map<String, String> defines(Object... more) {
        return defines(activation, kv, more);
    }

    static Map<String, String> defines(DType activation, DType kv, Object... more) {
        if (more.length % 2 != 0) {
            throw new IllegalArgumentException("defines come as names and values in turn");
        }
        Map<String, String> defines = new TreeMap<>();
        if (activation == DType.F32) {
            defines.put("ACT_F32", "1");
        }
        if (kv == DType.F8_E4M3) {
            defines.put("KV_FP8", "1");
        }
        for (int i = 0; i < more.length; i += 2) {
            defines.put(String.valueOf(more[i]), String.valueOf(more[i + 1]));
        }
        return defines;
    }
}
