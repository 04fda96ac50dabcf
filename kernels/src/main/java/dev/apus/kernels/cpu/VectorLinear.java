package dev.apus.kernels.cpu;

import static dev.apus.kernels.cpu.VectorMath.LANES;
import static dev.apus.kernels.cpu.VectorMath.SPECIES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.apus.kernels.HostTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer on the Vector API: outputs side by side in the lanes, inputs one after the other.
 *
 * <p>One row multiplies the packed weights as they are read, which is bound by memory. More rows take the way of GEMM: a step of a
 * panel is unpacked once into the L1 cache and multiplied with all rows in register tiles (the packed panels of Goto and van de Geijn,
 * 2008). Both add the same products to an output in the same order, so a row's bits do not depend on which way its batch went.
 *
 * <p>Driven by one thread at a time.
 */
final class VectorLinear extends StackedLinear {
    /** Products below which a part costs less than handing it to another thread: some microseconds. */
    private static final long MIN_PART = 64 * 1024;

    /** Rows of a chunk when a batch's rows are split for want of panels; fewer would not repay dequantising a panel again. */
    private static final int MIN_CHUNK_ROWS = 32;

    private final Panels[] parts;
    /** Part and number within it of each panel. */
    private final int[] partOfPanel;

    private final int[] panelInPart;
    private final LinearScratch[] scratch;

    private int chunks;

    /**
     * Repacks the parts and copies the bias, which {@link CpuBackend#linear} has checked.
     *
     * @param scratch working memory for each of the pool's threads, shared by the backend's layers
     */
    VectorLinear(
            List<HostTensor> sources,
            @Nullable HostTensor biasSource,
            LinearScratch[] scratch,
            CpuPool pool,
            Arena arena) {
        super(sources, biasSource, arena);
        this.scratch = scratch;
        parts = new Panels[sources.size()];
        int panels = 0;
        for (int i = 0; i < parts.length; i++) {
            parts[i] = PanelPacker.pack(sources.get(i), pool, arena);
            panels += parts[i].panels();
        }
        partOfPanel = new int[panels];
        panelInPart = new int[panels];
        int panel = 0;
        for (int i = 0; i < parts.length; i++) {
            for (int p = 0; p < parts[i].panels(); p++) {
                partOfPanel[panel] = i;
                panelInPart[panel++] = p;
            }
        }
    }

    @Override
    long weightBytes() {
        long total = 0;
        for (Panels part : parts) {
            total += part.byteSize();
        }
        return total;
    }

    @Override
    public void row(int index, MemorySegment target, long offset) {
        int p = partOf(index);
        for (int i = 0; i < inFeatures; i++) {
            target.set(JAVA_FLOAT, offset + 4L * i, parts[p].value(index - firstOutput[p], i));
        }
    }

    @Override
    void start(CpuPool pool) {
        int panels = partOfPanel.length;
        chunks = 1;
        if (rows > 1) {
            chunks = Math.clamp(2L * pool.threads() / panels, 1, Math.max(1, rows / MIN_CHUNK_ROWS));
            for (LinearScratch memory : scratch) {
                memory.reserve((rows + PanelTile.ROWS) / PanelTile.ROWS * PanelTile.ROWS);
            }
        }
        long perPanel = (long) Panels.WIDTH * inFeatures * rows / chunks;
        pool.run(this, pool.parts((long) panels * chunks, 1 + MIN_PART / Math.max(1, perPanel)));
    }

    /** Units of work are panels, or with chunks the panels of each chunk of rows, a panel's chunks side by side. */
    @Override
    public void run(int part, int partCount, int thread) {
        LinearScratch memory = scratch[thread];
        int units = partOfPanel.length * chunks;
        int end = CpuPool.start(part + 1, partCount, units, 1);
        int unit = CpuPool.start(part, partCount, units, 1);
        while (unit < end) {
            if (rows == 1) {
                parts[partOfPanel[unit]].single(panelInPart[unit], x, 0, memory);
                finish(unit++, 0, memory.sums(), 0);
            } else {
                int chunk = unit % chunks;
                int from = CpuPool.start(chunk, chunks, rows, PanelTile.ROWS);
                int to = CpuPool.start(chunk + 1, chunks, rows, PanelTile.ROWS);
                if (from < to) {
                    many(unit / chunks, from, to, memory);
                }
                unit++;
            }
        }
    }

    private void many(int panel, int from, int to, LinearScratch memory) {
        float[] sums = memory.sums();
        int size = (to - from + PanelTile.ROWS - 1) / PanelTile.ROWS * PanelTile.ROWS * Panels.WIDTH;
        Arrays.fill(sums, 0, size, 0);
        Panels part = parts[partOfPanel[panel]];
        for (int k = 0; k < inFeatures; k += LinearScratch.TILE_INPUTS) {
            int count = Math.min(LinearScratch.TILE_INPUTS, inFeatures - k);
            part.unpack(panelInPart[panel], k, count, memory);
            tiles(memory.weights, k, count, from, to, sums);
        }
        for (int r = from; r < to; r++) {
            finish(panel, r, sums, (r - from) * Panels.WIDTH);
        }
    }

    /** Rows {@code from} to {@code to} times a step of a panel. */
    private void tiles(MemorySegment weights, int k, int count, int from, int to, float[] sums) {
        for (int strip = 0; strip < Panels.WIDTH; strip += Panels.STRIP) {
            int r = from;
            if (PanelTile.ROWS == 8) {
                for (; r + 8 <= to; r += 8) {
                    int sum = (r - from) * Panels.WIDTH + strip;
                    PanelTile.eight(weights, 4L * strip, count, x, xAt(r, k), 4L * inFeatures, sums, sum);
                }
            }
            for (; r < to; r += 4) {
                PanelTile.four(
                        weights,
                        4L * strip,
                        count,
                        x,
                        xAt(r, k),
                        xAt(r + 1, k),
                        xAt(r + 2, k),
                        xAt(r + 3, k),
                        sums,
                        (r - from) * Panels.WIDTH + strip);
            }
        }
    }

    /** Offset of an input of a row, or of the last row if there is no such row: what a tile computes for it is dropped. */
    private long xAt(int row, int k) {
        return 4 * ((long) Math.min(row, rows - 1) * inFeatures + k);
    }

    /** Adds the bias to a row's sums of one panel and writes them to their outputs. */
    private void finish(int panel, int row, float[] sums, int sum) {
        int part = partOfPanel[panel];
        int inPart = panelInPart[panel] * Panels.WIDTH;
        int output = firstOutput[part] + inPart;
        int width = Math.min(Panels.WIDTH, parts[part].rows - inPart);
        long at = 4 * ((long) row * outFeatures + output);
        boolean biased = bias.byteSize() > 0;
        int whole = width - width % LANES;
        for (int i = 0; i < whole; i += LANES) {
            FloatVector y = FloatVector.fromArray(SPECIES, sums, sum + i);
            if (biased) {
                y = y.add(FloatVector.fromMemorySegment(SPECIES, bias, 4L * (output + i), LITTLE_ENDIAN));
            }
            if (accumulate) {
                y = FloatVector.fromMemorySegment(SPECIES, out, at + 4L * i, LITTLE_ENDIAN)
                        .add(y);
            }
            y.intoMemorySegment(out, at + 4L * i, LITTLE_ENDIAN);
        }
        for (int i = whole; i < width; i++) {
            float y = biased ? sums[sum + i] + bias.get(JAVA_FLOAT, 4L * (output + i)) : sums[sum + i];
            out.set(JAVA_FLOAT, at + 4L * i, accumulate ? out.get(JAVA_FLOAT, at + 4L * i) + y : y);
        }
    }
}
