package dev.apus.server.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class StepReportTest {
    @Test
    void saysMediansTailsAndTheIdleShare() {
        double[] host =
                IntStream.rangeClosed(1, 101).mapToDouble(i -> i / 100.0).toArray();
        double[] device = new double[101];
        Arrays.fill(device, 9.9);
        double[] idle = new double[101];
        idle[7] = 10.1;
        Map<String, Double> figures = StepReport.figures(host, device, idle);
        assertThat(figures)
                .containsEntry("profiled_steps", 101.0)
                .containsEntry("median_step_host_ms", 0.51)
                .containsEntry("median_step_device_ms", 9.9)
                .containsEntry("median_step_idle_ms", 0.0);
        assertThat(figures.get("p99_step_host_ms")).isCloseTo(1.0, within(1e-9));
        assertThat(figures.get("device_idle_percent")).isCloseTo(100 * 10.1 / (101 * 9.9 + 10.1), within(1e-9));
    }

    @Test
    void aProfileWithoutStepsIsAllZeros() {
        assertThat(StepReport.figures(new double[0], new double[0], new double[0])
                        .values())
                .hasSizeGreaterThan(5)
                .containsOnly(0.0);
    }
}
