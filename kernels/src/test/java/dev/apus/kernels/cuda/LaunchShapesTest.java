package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.apus.kernels.DType;
import dev.apus.kernels.Tensor;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** Grids, blocks and argument checks of the launchers, which need no device. */
class LaunchShapesTest {
    @Test
    void aBlockOfANormHasAUnitAThread() {
        assertThat(NormKernels.threads(4096, 1)).isEqualTo(512);
        assertThat(NormKernels.threads(4096, 2048)).isEqualTo(256);
        assertThat(NormKernels.threads(16384, 1)).isEqualTo(1024);
        assertThat(NormKernels.threads(64, 1)).isEqualTo(32);
        assertThat(NormKernels.threads(63, 1)).isEqualTo(64);
    }

    @Property
    void threadsAreWholeWarpsThatABlockMayHave(
            @ForAll @IntRange(min = 1, max = 100_000) int width, @ForAll @IntRange(min = 1, max = 8192) int rows) {
        assertThat(NormKernels.threads(width, rows)).isBetween(32, 1024).matches(t -> t % 32 == 0);
    }

    @Test
    void wideRowsAreShared() {
        assertThat(PointwiseKernels.parts(64)).isEqualTo(1);
        assertThat(PointwiseKernels.parts(4096)).isEqualTo(2);
        assertThat(PointwiseKernels.parts(100_000)).isEqualTo(8);
    }

    @Property
    void slicesCoverTheVocabulary(@ForAll @IntRange(min = 1, max = 300_000) int vocab) {
        for (int cluster : new int[] {1, 8}) {
            int slice = SamplingKernels.slice(vocab, cluster);
            assertThat(slice % 4).isZero();
            assertThat(slice * cluster).isBetween(vocab, vocab + 4 * cluster - 1);
        }
    }

    @Test
    void operandsAreChecked() {
        Tensor x = new CudaTensor(DType.BF16, new long[] {4, 64}, 4096);

        assertThat(DeviceOperands.matrix(x, "x", DType.BF16, 4, 64).address()).isEqualTo(4096);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DeviceOperands.matrix(x, "x", DType.F32, 4))
                .withMessageContaining("F32 is needed");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DeviceOperands.matrix(x, "x", DType.BF16, 5))
                .withMessageContaining("at least 5 rows");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DeviceOperands.matrix(x, "x", DType.BF16, 4, 63))
                .withMessageContaining("63 values");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DeviceOperands.vector(x, "weight", 64))
                .withMessageContaining("weight");
    }
}
