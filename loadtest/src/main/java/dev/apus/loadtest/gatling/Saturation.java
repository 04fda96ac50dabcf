package dev.apus.loadtest.gatling;

import dev.apus.loadtest.measure.Numbers;
import dev.apus.loadtest.measure.Series;
import java.util.Map;

/** Where more users get no more tokens. */
final class Saturation {
    /** What a stage must give more than the best before it to count as more. */
    private static final double MORE = 1.05;

    private Saturation() {}

    /** @param stages by name, in the order of their users */
    static String describe(Map<String, Series.Snapshot> stages) {
        String best = null;
        double most = 0;
        for (Map.Entry<String, Series.Snapshot> stage : stages.entrySet()) {
            double tokens = stage.getValue().tokensPerSecond();
            if (best == null || tokens > most * MORE) {
                best = stage.getKey();
                most = tokens;
            }
        }
        return best == null
                ? "saturation: nothing was answered"
                : "saturation: at " + best + ", " + Numbers.brief(most)
                        + " tokens/s; more users gave less than 5 % more";
    }
}
