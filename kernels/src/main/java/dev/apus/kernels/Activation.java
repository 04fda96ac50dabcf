package dev.apus.kernels;

/** Pointwise non-linearities of feed-forward layers. */
public enum Activation {
    /** {@code x * sigmoid(x)}. */
    SILU,
    /** {@code x/2 * (1 + erf(x / sqrt 2))}. */
    GELU,
    /** {@code x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))}: GPT-2's gelu_new, Gemma's gelu_pytorch_tanh. */
    GELU_TANH,
    /** {@code max(x, 0)}. */
    RELU,
    /** {@code max(x, 0)^2}. */
    RELU2
}
