package dev.apus.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MetricsTest {
    private static final Metrics METRICS = Metrics.parse("""
            # HELP vllm:request_success_total Requests
            # TYPE vllm:request_success_total counter
            vllm:request_success_total{engine="0",finished_reason="stop"} 3.0
            vllm:request_success_total{engine="0",finished_reason="length"} 4.0
            vllm:num_requests_running{engine="0"} 0.0
            vllm:num_requests_running_more 7.0
            process_resident_memory_bytes 1.048576E8
            odd_bucket{le="+Inf",text="a } b"} 5 1700000000000
            """);

    @Test
    void samplesAreSummedByNameAndLabel() {
        assertThat(METRICS.sum("vllm:request_success_total", "")).isEqualTo(7);
        assertThat(METRICS.sum("vllm:request_success_total", "=\"stop\"")).isEqualTo(3);
        assertThat(METRICS.sum("vllm:num_requests_running", "")).isEqualTo(0);
        assertThat(METRICS.sum("process_resident_memory_bytes", "")).isEqualTo(104_857_600);
        assertThat(METRICS.sum("odd_bucket", "")).isEqualTo(5);
    }

    @Test
    void whatIsMissingIsNotZero() {
        assertThat(METRICS.sum("llamacpp:requests_processing", "")).isNull();
        assertThat(METRICS.count("vllm:request_success_total", "=\"error\"")).isZero();
    }
}
