package dev.apus.kernels;

/**
 * The weight of a linear layer in a backend's own layout: {@code y[out] = W[out, in] x[in] + bias[out]}.
 *
 * <p>Made by {@link Backend#linear}; may hold rows of several formats (a fused QKV whose V is stored in another type).
 */
public interface Linear {
    int outFeatures();

    int inFeatures();

    /** Bytes of backend memory that the layer occupies. */
    long byteSize();
}
