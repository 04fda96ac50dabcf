package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.Tensor;

/** Tests' way to the contents of tensors on a device. */
public final class CudaTensors {
    private CudaTensors() {}

    /** A tensor on the device with these values, rounded to its type. */
    public static Tensor of(CudaBackend backend, DType type, float[] values, long... shape) {
        Tensor tensor = backend.allocate(type, shape);
        backend.write(tensor, values);
        return tensor;
    }

    /** All values of a tensor. */
    public static float[] values(CudaBackend backend, Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        CudaTensor flat = (CudaTensor) tensor;
        backend.read(new CudaTensor(flat.dtype(), new long[] {1, values.length}, flat.address()), 0, 1, values);
        return values;
    }

    /** What bf16 makes of a value. */
    public static float bf16(float value) {
        return Float.intBitsToFloat(WeightUploader.bf16(value) << 16);
    }
}
