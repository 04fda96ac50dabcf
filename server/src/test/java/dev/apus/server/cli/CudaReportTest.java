package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.cuda.CudaSupport;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What is said about CUDA on this machine, whatever it has. */
class CudaReportTest {
    @Command
    private static final class WithEngine {
        @Mixin
        private EngineArgs engine = new EngineArgs();
    }

    @Test
    void everyPartIsToldOnce() {
        Map<String, String> rows = new LinkedHashMap<>();
        CudaReport.print(
                (name, value) -> assertThat(rows.put(name.strip(), value)).isNull());
        String obstacle = CudaSupport.obstacle();
        assertThat(rows.get("cuda")).isEqualTo(obstacle == null ? "usable" : "not usable: " + obstacle);
        assertThat(rows).containsKeys("NVRTC", "cuBLASLt");
        for (CudaSupport.Finding finding : CudaSupport.findings()) {
            if (!finding.usable()
                    && !finding.part().startsWith("device")
                    && !finding.part().equals("driver")) {
                assertThat(rows.get(finding.part()))
                        .startsWith("missing; needed ")
                        .contains("tried ", "apus doctor --fetch-cuda");
            }
        }
    }

    @Test
    void demandingCudaWithoutADriverTellsWhatToDo() {
        String obstacle = CudaSupport.obstacle();
        assumeTrue(obstacle != null, "CUDA can be used here");
        WithEngine command = new WithEngine();
        CommandLine line = new CommandLine(command);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.parseArgs("--backend", "cuda");
        assertThatThrownBy(command.engine::openBackend)
                .isInstanceOf(UserException.class)
                .hasMessage("--backend cuda: " + obstacle);
        line.parseArgs("--backend", "auto");
        try (var backend = command.engine.openBackend()) {
            assertThat(backend.name()).isEqualTo("cpu");
        }
    }
}
