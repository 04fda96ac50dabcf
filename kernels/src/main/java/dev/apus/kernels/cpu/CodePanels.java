package dev.apus.kernels.cpu;

import dev.apus.kernels.DType;
import dev.apus.kernels.quant.BlockCodes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Panels of a GGUF block format: codes of 4 or 8 bits and, per group of 16 or 32 inputs, each output's scale and offset.
 *
 * <p>A panel is one run of memory, read from front to back: per group its line and then {@code [ints][WIDTH]} of codes, so that
 * the processor's prefetcher has one stream to follow (with codes and lines apart, decoding ran at half the speed).
 *
 * <p>An int holds the codes of 8 or 4 consecutive inputs of one output. A code of b bits sits at the top of its field, and the fields
 * are arranged so that the first is already where a float's mantissa has its top bits: there it reads as {@code f = 1 + code / 2^b},
 * without a conversion. Rotating the int brings the next code up. With {@code a = 2^b scale} and
 * {@code b = offset - a} a weight is {@code fma(f, a, b)}. For formats without offset b is exact, hence the weight is the dequantised
 * value; with offset b can lose the half of its last bit in blocks whose offset is far smaller than their scale.
 *
 * <p>A line is a pair of halves (scale low, offset high) where the format's own are exact in that, else a and b as floats.
 */
final class CodePanels extends Panels {
    /** Group size of the formats that keep halves. */
    static final int HALF_GROUP = 32;

    private final int group;
    private final int bits;
    private final boolean wide;
    private final boolean halves;
    private final int intsPerGroup;
    private final int groups;
    /** Bytes of a group: line and codes. */
    private final long blockBytes;

    private final MemorySegment blocks;

    /**
     * Reserves zeroed panels for {@link PanelPacker} to fill.
     *
     * @param halves scale and offset as halves; only with groups of {@value #HALF_GROUP}
     */
    CodePanels(DType type, int rows, int inFeatures, boolean halves, Arena arena) {
        super(rows, inFeatures);
        this.group = BlockCodes.group(type);
        this.bits = BlockCodes.codeBits(type);
        this.halves = halves;
        wide = bits > 4;
        intsPerGroup = group / perInt();
        groups = inFeatures / group;
        blockBytes = lineBytes(halves) + intsPerGroup * ROW;
        blocks = NativeMemory.allocate(arena, bytes(type, rows, inFeatures, halves));
    }

    /** Bytes that the constructor reserves: per panel and group the line and the codes. */
    static long bytes(DType type, int rows, int inFeatures, boolean halves) {
        int group = BlockCodes.group(type);
        long groupBytes = lineBytes(halves) + group * fieldBits(BlockCodes.codeBits(type)) / 32 * ROW;
        return (long) count(rows) * (inFeatures / group) * groupBytes;
    }

    private static int fieldBits(int codeBits) {
        return codeBits > 4 ? 8 : 4;
    }

    private int fieldBits() {
        return fieldBits(bits);
    }

    private int perInt() {
        return 32 / fieldBits();
    }

    private static long lineBytes(boolean halves) {
        return halves ? ROW : 2 * ROW;
    }

    private long lineBytes() {
        return lineBytes(halves);
    }

    /** Bits of a mantissa that a field at its top covers. */
    private int mask() {
        return wide ? 0x7F8000 : 0x780000;
    }

    private long block(int panel, int group) {
        return ((long) panel * groups + group) * blockBytes;
    }

    /** Stores a group's scale and offset; false if they must be kept as floats and these panels keep halves. */
    boolean putLine(int row, int group, float scale, float offset) {
        long at = block(row / WIDTH, group) + 4L * (row % WIDTH);
        if (halves) {
            short s = Float.floatToFloat16(scale);
            short o = Float.floatToFloat16(offset);
            blocks.set(ValueLayout.JAVA_INT, at, (s & 0xFFFF) | o << 16);
            return exact(s, scale) && exact(o, offset);
        }
        float a = scale * (1 << bits);
        blocks.set(ValueLayout.JAVA_FLOAT, at, a);
        blocks.set(ValueLayout.JAVA_FLOAT, at + ROW, offset - a);
        return true;
    }

    private static boolean exact(short half, float value) {
        return Float.float16ToFloat(half) == value && Float.isFinite(value);
    }

    /** Stores the codes of one int: {@code packed} has the first code in its lowest field. */
    void putCodes(int row, int group, int index, int packed) {
        long at = block(row / WIDTH, group) + lineBytes() + index * ROW + 4L * (row % WIDTH);
        blocks.set(ValueLayout.JAVA_INT, at, Integer.rotateLeft(packed, wide ? 15 : 19));
    }

    /** Bits that move a code to the top of its field. */
    int codeShift() {
        return fieldBits() - bits;
    }

    int codeFieldBits() {
        return fieldBits();
    }

    int group() {
        return group;
    }

    @Override
    void single(int panel, MemorySegment x, long xAt, LinearScratch scratch) {
        for (int strip = 0; strip < WIDTH; strip += STRIP) {
            long at = block(panel, 0) + 4L * strip;
            if (halves) {
                CodeKernels.halves(
                        blocks,
                        at,
                        groups,
                        intsPerGroup,
                        fieldBits(),
                        mask(),
                        1 << bits,
                        x,
                        xAt,
                        scratch.sums(),
                        strip);
            } else {
                CodeKernels.floats(
                        blocks, at, groups, intsPerGroup, fieldBits(), mask(), x, xAt, scratch.sums(), strip);
            }
        }
    }

    @Override
    void unpack(int panel, int from, int count, LinearScratch scratch) {
        float[] lines = scratch.lines;
        for (int g = 0; g < count / group; g++) {
            long at = block(panel, from / group + g);
            if (halves) {
                CodeKernels.widen(blocks, at, lines, 1 << bits);
            } else {
                MemorySegment.copy(blocks, ValueLayout.JAVA_FLOAT, at, lines, 0, 2 * WIDTH);
            }
            for (int strip = 0; strip < WIDTH; strip += STRIP) {
                CodeKernels.unpack(
                        blocks,
                        at + lineBytes() + 4L * strip,
                        intsPerGroup,
                        fieldBits(),
                        mask(),
                        lines,
                        strip,
                        scratch.weights,
                        (long) g * group * ROW + 4L * strip);
            }
        }
    }

    @Override
    float value(int row, int input) {
        long lane = 4L * (row % WIDTH);
        long line = block(row / WIDTH, input / group) + lane;
        float a;
        float b;
        if (halves) {
            int pair = blocks.get(ValueLayout.JAVA_INT, line);
            a = Float.float16ToFloat((short) pair) * (1 << bits);
            b = Float.float16ToFloat((short) (pair >>> 16)) - a;
        } else {
            a = blocks.get(ValueLayout.JAVA_FLOAT, line);
            b = blocks.get(ValueLayout.JAVA_FLOAT, line + ROW);
        }
        int inGroup = input % group;
        int packed = blocks.get(ValueLayout.JAVA_INT, line + lineBytes() + inGroup / perInt() * ROW);
        int rotated = Integer.rotateRight(packed, inGroup % perInt() * fieldBits());
        return Math.fma(Float.intBitsToFloat((rotated & mask()) | CodeKernels.ONE), a, b);
    }

    @Override
    long byteSize() {
        return blocks.byteSize();
    }
}
