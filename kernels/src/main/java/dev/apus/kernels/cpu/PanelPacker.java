package dev.apus.kernels.cpu;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.quant.BlockCodes;
import dev.apus.kernels.quant.Dequantizer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicBoolean;

/** Repacks a checkpoint's weight matrix into {@link Panels}, panels side by side on the pool's threads. */
final class PanelPacker {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private PanelPacker() {}

    /** Copies one panel; false if the target cannot hold a value. */
    @FunctionalInterface
    private interface PanelCopy {
        boolean copy(int firstRow, int endRow);
    }

    /** Panels of a matrix whose format {@link Dequantizer} supports; compact ones where they hold every value. */
    static Panels pack(HostTensor source, CpuPool pool, Arena arena) {
        DType type = source.dtype();
        int rows = Math.toIntExact(source.dim(0));
        int in = Math.toIntExact(source.dim(1));
        if (BlockCodes.supports(type)) {
            return codes(source, rows, in, pool, arena);
        }
        if (isPaired(type, in)) {
            HalfPanels target = new HalfPanels(type, rows, in, arena);
            if (copyAll(rows, pool, (from, to) -> copyHalves(source, target, from, to))) {
                return target;
            }
        }
        FloatPanels target = new FloatPanels(rows, in, arena);
        copyAll(rows, pool, (from, to) -> copyFloats(source, target, from, to));
        return target;
    }

    /**
     * Bytes of the panels that {@link #pack} makes of a matrix, as long as its F16 values and its blocks' scales are finite and fit halves.
     * No sane checkpoint has others; a matrix that does is kept wider.
     */
    static long bytes(DType type, int rows, int in) {
        if (BlockCodes.supports(type)) {
            return CodePanels.bytes(type, rows, in, triesHalves(type));
        }
        return isPaired(type, in) ? HalfPanels.bytes(rows, in) : FloatPanels.bytes(rows, in);
    }

    private static boolean isPaired(DType type, int in) {
        return type != DType.F32 && in % 2 == 0;
    }

    /** Blocks of 32 store halves; the products of super-blocks of 256 need more bits. */
    private static boolean triesHalves(DType type) {
        return type.blockSize() == CodePanels.HALF_GROUP;
    }

    private static Panels codes(HostTensor source, int rows, int in, CpuPool pool, Arena arena) {
        if (triesHalves(source.dtype())) {
            CodePanels target = new CodePanels(source.dtype(), rows, in, true, arena);
            if (copyAll(rows, pool, (from, to) -> copyCodes(source, target, from, to))) {
                return target;
            }
        }
        CodePanels target = new CodePanels(source.dtype(), rows, in, false, arena);
        copyAll(rows, pool, (from, to) -> copyCodes(source, target, from, to));
        return target;
    }

    private static boolean copyAll(int rows, CpuPool pool, PanelCopy copy) {
        AtomicBoolean failed = new AtomicBoolean();
        int panels = Panels.count(rows);
        if (panels == 0) {
            return true;
        }
        pool.run(
                (part, parts, thread) -> {
                    int end = CpuPool.start(part + 1, parts, panels, 1);
                    for (int p = CpuPool.start(part, parts, panels, 1); p < end; p++) {
                        if (!copy.copy(p * Panels.WIDTH, Math.min(rows, (p + 1) * Panels.WIDTH))) {
                            failed.set(true);
                        }
                    }
                },
                pool.parts(panels, 1));
        return !failed.get();
    }

    private static boolean copyCodes(HostTensor source, CodePanels target, int from, int to) {
        BlockCodes block = new BlockCodes();
        DType type = source.dtype();
        boolean exact = true;
        int blocks = target.inFeatures / type.blockSize();
        for (int row = from; row < to; row++) {
            long at = (long) row * blocks * type.blockBytes();
            for (int b = 0; b < blocks; b++) {
                block.read(type, source.data(), at + (long) b * type.blockBytes());
                exact &= copyBlock(block, type.blockSize() / target.group(), target, row, b);
            }
        }
        return exact;
    }

    private static boolean copyBlock(BlockCodes block, int groups, CodePanels target, int row, int blockIndex) {
        boolean exact = true;
        int field = target.codeFieldBits();
        int perInt = 32 / field;
        int ints = target.group() / perInt;
        for (int g = 0; g < groups; g++) {
            int group = blockIndex * groups + g;
            exact &= target.putLine(row, group, block.scale(g), block.offset(g));
            for (int i = 0; i < ints; i++) {
                int packed = 0;
                for (int j = 0; j < perInt; j++) {
                    packed |= block.code((g * ints + i) * perInt + j) << (target.codeShift() + j * field);
                }
                target.putCodes(row, group, i, packed);
            }
        }
        return exact;
    }

    private static boolean copyHalves(HostTensor source, HalfPanels target, int from, int to) {
        boolean exact = true;
        MemorySegment data = source.data();
        int in = target.inFeatures;
        for (int row = from; row < to; row++) {
            for (int p = 0; p < in / 2; p++) {
                long at = 2L * ((long) row * in + 2L * p);
                exact &= target.put(row, p, data.get(SHORT, at), data.get(SHORT, at + 2));
            }
        }
        return exact;
    }

    private static boolean copyFloats(HostTensor source, FloatPanels target, int from, int to) {
        float[] values = new float[target.inFeatures];
        for (int row = from; row < to; row++) {
            long at = source.dtype().byteSize((long) row * values.length);
            Dequantizer.dequantize(source.dtype(), source.data(), at, values, 0, values.length);
            for (int i = 0; i < values.length; i++) {
                target.put(row, i, values[i]);
            }
        }
        return true;
    }
}
