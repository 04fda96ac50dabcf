package dev.apus.kernels.cpu;

import dev.apus.kernels.DType;
import dev.apus.kernels.quant.BlockCodes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Panels of a GGUF block format: codes of 4 or 8 bits and, per group of 16 or 32 inputs, each output's scale and offset.
 *
 * <p>An int holds the codes of 8 or 4 consecutive inputs of one output; a group is {@code [ints][WIDTH]}. A code of b bits sits at the
 * top of its field, and the fields are arranged so that the first is already where a float's mantissa has its top bits: there it reads
 * as {@code f = 1 + code / 2^b}, and {@code w = fma(f, a, o)} with {@code a = 2^b * scale} and {@code o = offset - a} is the weight in
 * one instruction, without a conversion. Rotating the int brings the next code up. For formats without offset o is exact, hence w is
 * the dequantised value; with offset o can lose the half of its last bit in blocks whose offset is far smaller than their scale.
 *
 * <p>Scale and offset are kept as a pair of halves where the format's own are exact in that, else as floats a and o.
 */
final class CodePanels extends Panels {
    /** Group size of the formats that keep halves. */
    static final int HALF_GROUP = 32;

    /** Bytes of a group's a and o as floats: {@code [2][WIDTH]}. */
    static final long LINE = 2 * ROW;

    private final int group;
    private final int bits;
    private final boolean wide;
    private final boolean halves;
    private final int intsPerGroup;
    private final int groups;
    private final MemorySegment codes;
    private final MemorySegment lines;

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
        codes = NativeMemory.allocate(arena, (long) panels() * groups * intsPerGroup * ROW);
        lines = NativeMemory.allocate(arena, (long) panels() * groups * lineBytes());
    }

    private int fieldBits() {
        return wide ? 8 : 4;
    }

    private int perInt() {
        return 32 / fieldBits();
    }

    private long lineBytes() {
        return halves ? ROW : LINE;
    }

    /** Bits of a mantissa that a field at its top covers. */
    private int mask() {
        return wide ? 0x7F8000 : 0x780000;
    }

    private long codeOffset(int panel, int group) {
        return ((long) panel * groups + group) * intsPerGroup * ROW;
    }

    private long lineOffset(int panel, int group) {
        return ((long) panel * groups + group) * lineBytes();
    }

    /** Stores a group's scale and offset; false if they must be kept as floats and these panels keep halves. */
    boolean putLine(int row, int group, float scale, float offset) {
        long at = lineOffset(row / WIDTH, group) + 4L * (row % WIDTH);
        if (halves) {
            short s = Float.floatToFloat16(scale);
            short o = Float.floatToFloat16(offset);
            lines.set(ValueLayout.JAVA_INT, at, (s & 0xFFFF) | o << 16);
            return exact(s, scale) && exact(o, offset);
        }
        float a = scale * (1 << bits);
        lines.set(ValueLayout.JAVA_FLOAT, at, a);
        lines.set(ValueLayout.JAVA_FLOAT, at + ROW, offset - a);
        return true;
    }

    private static boolean exact(short half, float value) {
        return Float.float16ToFloat(half) == value && Float.isFinite(value);
    }

    /** Stores the codes of one int: {@code packed} has the first code in its lowest field. */
    void putCodes(int row, int group, int index, int packed) {
        long at = codeOffset(row / WIDTH, group) + index * ROW + 4L * (row % WIDTH);
        codes.set(ValueLayout.JAVA_INT, at, Integer.rotateLeft(packed, wide ? 15 : 19));
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

    /** Makes a and o of a step ready and returns where; {@code slot} picks the half of the scratch memory. */
    private long ready(int panel, int from, int count, int slot, LinearScratch scratch) {
        long at = lineOffset(panel, from / group);
        if (!halves) {
            return at;
        }
        long target = slot * (scratch.lines.byteSize() / 2);
        CodeKernels.widen(lines, at, scratch.lines, target, count / group, 1 << bits);
        return target;
    }

    private MemorySegment readyLines(LinearScratch scratch) {
        return halves ? scratch.lines : lines;
    }

    @Override
    void one(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch) {
        long line = ready(panel, from, count, 0, scratch);
        long code = codeOffset(panel, from / group);
        for (long strip = 0; strip < ROW; strip += STRIP) {
            CodeKernels.one(
                    codes,
                    code + strip,
                    readyLines(scratch),
                    line + strip,
                    count / group,
                    intsPerGroup,
                    fieldBits(),
                    mask(),
                    x,
                    xAt,
                    scratch.sums(),
                    (int) strip / Float.BYTES);
        }
    }

    @Override
    void pair(int panel, int from, int count, MemorySegment x, long xAt, LinearScratch scratch) {
        long line0 = ready(panel, from, count, 0, scratch);
        long line1 = ready(panel + 1, from, count, 1, scratch);
        CodeKernels.pair(
                codes,
                codeOffset(panel, from / group),
                codeOffset(panel + 1, from / group),
                readyLines(scratch),
                line0,
                line1,
                count / group,
                intsPerGroup,
                fieldBits(),
                mask(),
                x,
                xAt,
                scratch.sums());
    }

    @Override
    void four(
            int panel,
            int from,
            int count,
            MemorySegment x,
            long x0,
            long x1,
            long x2,
            long x3,
            LinearScratch scratch) {
        long line = ready(panel, from, count, 0, scratch);
        long code = codeOffset(panel, from / group);
        for (long strip = 0; strip < ROW; strip += STRIP) {
            CodeKernels.four(
                    codes,
                    code + strip,
                    readyLines(scratch),
                    line + strip,
                    count / group,
                    intsPerGroup,
                    fieldBits(),
                    mask(),
                    x,
                    x0,
                    x1,
                    x2,
                    x3,
                    scratch.sums(),
                    (int) strip / Float.BYTES);
        }
    }

    @Override
    void unpack(int panel, int from, int count, LinearScratch scratch) {
        long line = ready(panel, from, count, 0, scratch);
        long code = codeOffset(panel, from / group);
        for (long strip = 0; strip < ROW; strip += STRIP) {
            CodeKernels.unpack(
                    codes,
                    code + strip,
                    readyLines(scratch),
                    line + strip,
                    count / group,
                    intsPerGroup,
                    fieldBits(),
                    mask(),
                    scratch.weights,
                    strip);
        }
    }

    @Override
    float value(int row, int input) {
        int panel = row / WIDTH;
        long lane = 4L * (row % WIDTH);
        long line = lineOffset(panel, input / group) + lane;
        float a;
        float o;
        if (halves) {
            int pair = lines.get(ValueLayout.JAVA_INT, line);
            a = Float.float16ToFloat((short) pair) * (1 << bits);
            o = Float.float16ToFloat((short) (pair >>> 16)) - a;
        } else {
            a = lines.get(ValueLayout.JAVA_FLOAT, line);
            o = lines.get(ValueLayout.JAVA_FLOAT, line + ROW);
        }
        int inGroup = input % group;
        long at = codeOffset(panel, input / group) + inGroup / perInt() * ROW + lane;
        int rotated = Integer.rotateRight(codes.get(ValueLayout.JAVA_INT, at), inGroup % perInt() * fieldBits());
        return Math.fma(Float.intBitsToFloat((rotated & mask()) | CodeKernels.ONE), a, o);
    }

    @Override
    long byteSize() {
        return codes.byteSize() + lines.byteSize();
    }
}
