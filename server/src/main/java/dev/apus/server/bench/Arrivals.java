package dev.apus.server.bench;

import java.util.SplittableRandom;

/** When the requests of an open loop are sent, in nanoseconds after its start. */
final class Arrivals {
    private Arrivals() {}

    /**
     * A renewal process with gamma-distributed gaps, as vLLM's: burstiness 1 is a Poisson process, less is burstier, more is more even.
     *
     * @param rate requests per second; infinity sends all at once
     */
    static long[] times(int count, double rate, double burstiness, long seed) {
        if (!(rate > 0) || !(burstiness > 0)) {
            throw new IllegalArgumentException(
                    "request rate " + rate + ", burstiness " + burstiness + "; both must be above 0");
        }
        long[] times = new long[count];
        if (rate == Double.POSITIVE_INFINITY) {
            return times;
        }
        SplittableRandom random = new SplittableRandom(seed);
        double at = 0;
        for (int i = 0; i < count; i++) {
            times[i] = (long) (at * 1e9);
            at += gamma(burstiness, random) / (rate * burstiness);
        }
        return times;
    }

    /** A gamma variate of mean {@code shape} (Marsaglia and Tsang, A simple method for generating gamma variables, 2000). */
    private static double gamma(double shape, SplittableRandom random) {
        if (shape == 1) {
            return random.nextExponential();
        }
        if (shape < 1) {
            return gamma(shape + 1, random) * Math.pow(1 - random.nextDouble(), 1 / shape);
        }
        double d = shape - 1.0 / 3;
        double c = 1 / Math.sqrt(9 * d);
        while (true) {
            double x = random.nextGaussian();
            double v = Math.pow(1 + c * x, 3);
            double u = 1 - random.nextDouble();
            if (v > 0 && Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) {
                return d * v;
            }
        }
    }
}
