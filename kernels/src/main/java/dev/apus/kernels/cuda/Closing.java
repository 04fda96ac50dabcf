package dev.apus.kernels.cuda;

import org.jspecify.annotations.Nullable;

/** The end of what belongs to a device: after a kernel's fault the driver refuses every call, and the rest must be given back all the same. */
final class Closing {
    private Closing() {}

    /**
     * Takes all steps in turn, whatever each of them throws.
     *
     * @throws RuntimeException the first that was thrown, with the others as suppressed ones
     */
    static void all(Runnable... steps) {
        RuntimeException first = null;
        for (Runnable step : steps) {
            first = attempt(step, first);
        }
        if (first != null) {
            throw first;
        }
    }

    private static @Nullable RuntimeException attempt(Runnable step, @Nullable RuntimeException first) {
        try {
            step.run();
            return first;
        } catch (RuntimeException e) {
            if (first == null) {
                return e;
            }
            first.addSuppressed(e);
            return first;
        }
    }
}
