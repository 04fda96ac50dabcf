package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.Linear;

/** The weight of a linear layer in device memory: {@code [out][in]} row-major in the type of activations. */
final class CudaLinear implements Linear {
    private final DType dtype;
    private final int outFeatures;
    private final int inFeatures;
    private final long address;
    private final long bias;

    /**
     * @param dtype BF16 or F32
     * @param address device address of the weight
     * @param bias device address of F32 {@code [out]}, or 0 for none
     */
    CudaLinear(DType dtype, int outFeatures, int inFeatures, long address, long bias) {
        this.dtype = dtype;
        this.outFeatures = outFeatures;
        this.inFeatures = inFeatures;
        this.address = address;
        this.bias = bias;
    }

    DType dtype() {
        return dtype;
    }

    @Override
    public int outFeatures() {
        return outFeatures;
    }

    @Override
    public int inFeatures() {
        return inFeatures;
    }

    /** Device address of the weight. */
    long address() {
        return address;
    }

    /** Device address of the F32 bias {@code [out]}, or 0. */
    long bias() {
        return bias;
    }

    @Override
    public long byteSize() {
        return dtype.byteSize((long) outFeatures * inFeatures) + (bias == 0 ? 0 : 4L * outFeatures);
    }

    @Override
    public String toString() {
        return dtype + "[" + outFeatures + ", " + inFeatures + "]" + (bias == 0 ? "" : " with bias") + " on the device";
    }
}
