package dev.apus.kernels.cuda;

/**
 * How long a kernel takes.
 *
 * @param kernel what it computes
 * @param rows tokens of the step
 * @param context tokens that each sequence has, this step's among them
 * @param perStep launches in a step of the model; 0 for an alternative to another row
 * @param seconds of one launch
 * @param bytes that it must read and write at least
 * @param operations floating point, a multiply-add as two; 0 where they do not matter
 */
public record KernelTime(
        String kernel, int rows, int context, int perStep, double seconds, long bytes, double operations) {
    /** Bytes a second. */
    public double rate() {
        return bytes / seconds;
    }

    /** Operations a second. */
    public double operationRate() {
        return operations / seconds;
    }
}
