package dev.apus.server.bench;

import dev.apus.kernels.StepProfile;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a profile of decode steps says, as figures by name; times are milliseconds. */
public final class StepReport {
    private StepReport() {}

    /**
     * The number of steps; median and 99th percentile of the engine thread's work for a step, of its time on the device and of the
     * device's idle time before it; and the idle time's share of the whole in percent.
     */
    public static Map<String, Double> figures(StepProfile profile) {
        return figures(profile.hostMillis(), profile.deviceMillis(), profile.idleMillis());
    }

    static Map<String, Double> figures(double[] host, double[] device, double[] idle) {
        Map<String, Double> figures = new LinkedHashMap<>();
        figures.put("profiled_steps", (double) host.length);
        put(figures, "step_host_ms", host);
        put(figures, "step_device_ms", device);
        put(figures, "step_idle_ms", idle);
        double idleSum = Arrays.stream(idle).sum();
        double whole = idleSum + Arrays.stream(device).sum();
        figures.put("device_idle_percent", whole > 0 ? 100 * idleSum / whole : 0);
        return figures;
    }

    private static void put(Map<String, Double> figures, String name, double[] values) {
        figures.putAll(new Samples(values).summary(name, new double[] {99}));
    }
}
