package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.kernels.DType;
import dev.apus.kernels.cuda.LinearPlan.Path;
import java.util.Objects;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class LinearPlanTest {
    private static final LinearPlan.Device HOPPER = new LinearPlan.Device(132, 90, 232448, true);
    private static final LinearPlan.Device ADA = new LinearPlan.Device(128, 89, 101376, false);

    private static LinearPlan bf16(LinearPlan.Device device, int rows, int n, int k) {
        return LinearPlan.choose(device, DType.BF16, rows, n, k, true, true);
    }

    @Test
    void decodeOfQwen3GoesToTheKernelsThatMeasuredFastest() {
        assertThat(bf16(HOPPER, 1, 151936, 4096).path()).isEqualTo(Path.GEMV);
        assertThat(bf16(HOPPER, 1, 4096, 12288).path()).isEqualTo(Path.GEMV);
        assertThat(bf16(HOPPER, 8, 6144, 4096).variant()).isEqualTo(LinearPlan.FEW);
        assertThat(bf16(HOPPER, 8, 4096, 4096).variant()).isEqualTo(LinearPlan.FEW_SPLIT);
        assertThat(bf16(HOPPER, 8, 4096, 12288).variant()).isEqualTo(LinearPlan.SKINNY_SPLIT);
        assertThat(bf16(HOPPER, 16, 4096, 4096).variant()).isEqualTo(LinearPlan.FEW_SPLIT);
        assertThat(bf16(HOPPER, 16, 6144, 4096).variant()).isEqualTo(LinearPlan.SKINNY_DEEP);
        assertThat(bf16(HOPPER, 9, 4096, 12288).variant()).isEqualTo(LinearPlan.SKINNY_DEEP_SPLIT);
        assertThat(bf16(HOPPER, 16, 24576, 4096).variant()).isEqualTo(LinearPlan.SKINNY_DEEP);
        assertThat(bf16(HOPPER, 32, 24576, 4096).path()).isEqualTo(Path.LIBRARY);
        assertThat(bf16(ADA, 32, 24576, 4096).variant()).isEqualTo(LinearPlan.SKINNY);
        assertThat(bf16(HOPPER, 17, 4096, 4096).path()).isEqualTo(Path.LIBRARY);
    }

    @Test
    void whatNoFastKernelTakesGoesToThePlainOne() {
        assertThat(LinearPlan.choose(HOPPER, DType.BF16, 1, 33, 17, false, false))
                .isEqualTo(bf16Any());
        assertThat(LinearPlan.choose(HOPPER, DType.F32, 5, 33, 16, true, false)).isEqualTo(bf16Any());
        assertThat(LinearPlan.choose(HOPPER, DType.F32, 5, 64, 64, true, true).path())
                .isEqualTo(Path.LIBRARY);
        assertThat(LinearPlan.choose(HOPPER, DType.F32, 4, 33, 16, true, false).path())
                .isEqualTo(Path.GEMV);
        assertThat(LinearPlan.choose(HOPPER, DType.BF16, 100, 33, 16, true, false)
                        .path())
                .isEqualTo(Path.TILED);
    }

    private static LinearPlan bf16Any() {
        return new LinearPlan(Path.ANY, null, 0);
    }

    @Property
    void aPlanFitsItsDevice(
            @ForAll @IntRange(min = 1, max = 300) int rows,
            @ForAll @IntRange(min = 1, max = 200_000) int n,
            @ForAll @IntRange(min = 1, max = 4000) int eights,
            @ForAll boolean hopper) {
        LinearPlan.Device device = hopper ? HOPPER : ADA;
        LinearPlan plan = bf16(device, rows, n, 8 * eights);
        if (plan.path() == Path.LIBRARY) {
            assertThat(device.library()).isTrue();
        }
        if (plan.path() == Path.GEMV) {
            assertThat(rows).isLessThanOrEqualTo(4);
            assertThat(16 * rows * eights).isLessThanOrEqualTo(device.maxSharedBytes());
        }
        if (plan.path() == Path.VARIANT) {
            LinearVariant variant = Objects.requireNonNull(plan.variant());
            assertThat(LinearVariant.COLUMNS * plan.tiles()).isGreaterThanOrEqualTo(rows);
            assertThat(variant.sharedBytes(plan.tiles(), 8 * eights)).isLessThanOrEqualTo(device.maxSharedBytes());
            assertThat(variant.cluster() == 1 || device.capability() >= 90).isTrue();
            int blocks = variant.blocks(n, device.multiprocessors(), 2);
            assertThat(blocks).isPositive().isLessThanOrEqualTo(2 * device.multiprocessors());
            assertThat(blocks % variant.cluster()).isZero();
        }
    }

    @Test
    void sharedMemoryIsWhatTheSourcesLayOut() {
        // ring 16 warps x 4 stages x 16 rows x 128 bytes, x 8 rows of 8192 + 64, sums of 16 warps of 8 columns of 20
        assertThat(LinearPlan.FEW.sharedBytes(1, 4096)).isEqualTo(131072 + 8 * (8192 + 64) + 4 * 16 * 8 * 20);
        // stages of (64 + 32) rows of 256 bytes, sums of 8 parts of 32 columns of 36
        assertThat(LinearPlan.SKINNY_SPLIT.sharedBytes(4, 12288)).isEqualTo(4 * 96 * 256 + 4 * 8 * 32 * 36);
        assertThat(LinearPlan.SKINNY_DEEP_SPLIT.sharedBytes(2, 12288)).isEqualTo(6 * 48 * 256 + 4 * 8 * 16 * 20);
    }

    @Test
    void gemmTilesGrowWithTheRows() {
        assertThat(GemmTile.ofExperts(128, 128, 232448).rows()).isEqualTo(16);
        assertThat(GemmTile.ofExperts(2048, 128, 232448).rows()).isEqualTo(32);
        assertThat(GemmTile.ofExperts(8192, 128, 232448).rows()).isEqualTo(64);
        assertThat(GemmTile.ofExperts(65536, 128, 232448).columns()).isEqualTo(256);
        assertThat(GemmTile.ofLinear(8192, 101376).sharedBytes()).isLessThanOrEqualTo(101376);
        assertThat(GemmTile.ofExperts(1, 128, 101376).sharedBytes()).isLessThanOrEqualTo(101376);
    }

    @Property
    void rowsOfABucketAreCloseToItsSize(@ForAll @IntRange(min = 1, max = 8192) int rows) {
        int bucket = LibraryProducts.bucket(rows);
        assertThat(bucket).isGreaterThanOrEqualTo(rows).isLessThan(rows + Math.max(16, rows / 4));
        assertThat(LibraryProducts.bucket(bucket)).isEqualTo(bucket);
    }
}
