package dev.apus.loadtest.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LimitTest {
    @ParameterizedTest
    @ValueSource(strings = {"ttft-p95=500", "itl-p99.9=12.5", "greedy:e2e-p50=2000", "8 users:ttft-p100=1"})
    void isReadAsItIsWritten(String text) {
        assertThat(Limit.parse(text).text()).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "ttft", "ttft-p95", "ttft-p101=5", "tpot-p95=5", "ttft-p95=-5", "ttft-p95=5s"})
    void whatIsNoneIsRefusedWithTheForm(String text) {
        assertThatThrownBy(() -> Limit.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'" + text + "'")
                .hasMessageContaining("ttft-p95=500");
    }

    @Test
    void holdsForGuardedSeriesAndThoseNamed() {
        Board board = new Board();
        board.series("calm").completed(0, 100_000_000, 300_000_000, 5, 10);
        board.series("greedy").completed(0, 900_000_000, 1_000_000_000, 5, 10);
        board.series("greedy").refused("429");
        List<Limit> limits = List.of(Limit.parse("ttft-p95=200"), Limit.parse("greedy:ttft-p95=500"));
        Report report = Report.judge("tenants", board.snapshot(), limits, List.of("calm"), List.of("greedy"));
        assertThat(report.findings()).singleElement().asString().startsWith("greedy: ttft-p95=500: 90");
        assertThat(report.checks()).hasSize(2);
        assertThat(report.text()).contains("calm: ttft-p95=200: 100 ms, kept", "failed: 1 findings");
    }

    @Test
    void aSeriesThatIsNotThereKeepsNoLimit() {
        Report report = Report.judge("steady", new Board().snapshot(), List.of(), List.of("steady"), List.of());
        assertThat(report.findings()).containsExactly("steady: no request was answered");
        List<Limit> limits = List.of(Limit.parse("stedy:ttft-p95=1"));
        assertThat(Report.judge("steady", new Board().snapshot(), limits, List.of(), List.of())
                        .findings())
                .singleElement()
                .asString()
                .contains("stedy", "series are");
    }
}
