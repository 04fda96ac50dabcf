package dev.apus.kernels.cpu;

import dev.apus.kernels.Linear;
import java.lang.foreign.MemorySegment;

/**
 * A linear layer whose weight lies in host memory.
 *
 * <p>Activations are little-endian F32 rows without gaps at the start of long-lived native segments. A result has the same bits whatever rows are computed beside it and however many threads compute it: every output is summed over the inputs in one fixed
 * order, the bias is added last, and with {@code accumulate} that finished sum is added to what {@code out} held.
 */
public interface CpuLinear extends Linear {
    /**
     * {@code out[r] = x[r] Wᵀ + bias}, or {@code out[r] += x[r] Wᵀ + bias}, for {@code 0 <= r < rows}.
     *
     * @param out {@code [rows, outFeatures]}; must not overlap {@code x}
     * @param x {@code [rows, inFeatures]}
     * @param accumulate adds to {@code out} instead of overwriting it
     * @param pool threads to spread the work over; the caller's thread takes part, and must not itself be inside a task of the pool
     */
    void multiply(MemorySegment out, MemorySegment x, int rows, boolean accumulate, CpuPool pool);

    /** Writes weight row {@code index}, dequantised and without bias, to {@code inFeatures} floats of {@code out}: an embedding. */
    void row(int index, MemorySegment out, long outOffset);
}
