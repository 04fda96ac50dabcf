package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;

/** Checks of kernel arguments; after them kernels may compute addresses without looking again. */
final class DeviceOperands {
    private DeviceOperands() {}

    /** A tensor of this backend of the given type. */
    static CudaTensor typed(Tensor tensor, String name, DType dtype) {
        if (!(tensor instanceof CudaTensor device)) {
            throw new IllegalArgumentException(name + " belongs to another backend: " + tensor.getClass());
        }
        if (device.dtype() != dtype) {
            throw new IllegalArgumentException(name + " is " + device + "; " + dtype + " is needed");
        }
        return device;
    }

    /** A matrix with at least {@code rows} rows. */
    static CudaTensor matrix(Tensor tensor, String name, DType dtype, int rows) {
        CudaTensor device = typed(tensor, name, dtype);
        if (device.rank() != 2 || rows < 0 || rows > device.dim(0)) {
            throw new IllegalArgumentException(
                    name + " is " + device + "; a matrix of at least " + rows + " rows is needed");
        }
        return device;
    }

    /** A matrix of a given width with at least {@code rows} rows. */
    static CudaTensor matrix(Tensor tensor, String name, DType dtype, int rows, long width) {
        CudaTensor device = matrix(tensor, name, dtype, rows);
        if (device.dim(1) != width) {
            throw new IllegalArgumentException(name + " is " + device + "; rows of " + width + " values are needed");
        }
        return device;
    }

    /** The address of an F32 vector of a given length. */
    static long vector(Tensor tensor, String name, long length) {
        CudaTensor device = typed(tensor, name, DType.F32);
        if (device.elements() != length) {
            throw new IllegalArgumentException(name + " is " + device + "; " + length + " values are needed");
        }
        return device.address();
    }

    static int width(CudaTensor matrix) {
        return Math.toIntExact(matrix.dim(1));
    }

    /** A plain weight whose rows are looked up: a table. */
    static CudaLinear table(Linear weight, String name, DType dtype) {
        if (!(weight instanceof CudaLinear device)) {
            throw new IllegalArgumentException(name + " belongs to another backend: " + weight.getClass());
        }
        if (device.dtype() != dtype) {
            throw new IllegalArgumentException(name + " is " + device + "; " + dtype + " is needed");
        }
        return device;
    }

    static CudaKvCache cache(KvCache cache) {
        if (cache instanceof CudaKvCache device) {
            return device;
        }
        throw new IllegalArgumentException("the KV cache belongs to another backend: " + cache.getClass());
    }
}
