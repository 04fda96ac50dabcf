package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.apus.kernels.Activation;
import dev.apus.kernels.cuda.CudaSupport;
import dev.apus.kernels.cuda.KernelShapes;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class BenchKernelsCommandTest {
    private static final Path GOLDEN = Path.of("../models/src/test/resources/golden");

    @Test
    void readsTheShapesOfAConfig() {
        KernelShapes qwen = BenchKernelsCommand.shapes(GOLDEN.resolve("qwen3"));
        assertThat(qwen.name()).isEqualTo("qwen3");
        assertThat(qwen.headNorms()).isTrue();
        assertThat(qwen.gated()).isTrue();
        assertThat(qwen.denseLayers()).isEqualTo(qwen.layers());
        assertThat(qwen.rotaryDim()).isEqualTo(qwen.attention().headDim());
        KernelShapes gpt2 = BenchKernelsCommand.shapes(GOLDEN.resolve("gpt2"));
        assertThat(gpt2.layerNorm()).isTrue();
        assertThat(gpt2.gated()).isFalse();
        assertThat(gpt2.rotaryDim()).isZero();
        assertThat(gpt2.activation()).isEqualTo(Activation.GELU_TANH);
    }

    @Test
    void withoutAGpuItSaysWhatIsMissing() {
        String obstacle = CudaSupport.obstacle();
        assumeTrue(obstacle != null, "there is a GPU here");
        BenchKernelsCommand command = new BenchKernelsCommand();
        new CommandLine(command).parseArgs("--batch=1,2", "--context=64");
        assertThatThrownBy(command::call).isInstanceOf(UserException.class).hasMessageContaining(obstacle);
        new CommandLine(command).parseArgs("--batch=0");
        assertThatThrownBy(command::call).isInstanceOf(UserException.class).hasMessageContaining("--batch [0]");
    }
}
