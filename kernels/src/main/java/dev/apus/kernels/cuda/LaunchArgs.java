package dev.apus.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.apus.kernels.cuda.ffi.CudaLaunch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;

/**
 * The arguments of a launch in native memory that is used again for the next one. The driver copies them during the launch, so one object
 * serves all launches of a thread; it belongs to that thread.
 *
 * <p>Values must have the size of the kernel's parameters: an {@code i32} where it takes an {@code int}, and so on, in order.
 */
public final class LaunchArgs {
    /** Bytes of parameters that every architecture takes. */
    private static final int MOST_BYTES = 4096;
    /** No kernel here has as many. */
    private static final int MOST_ARGUMENTS = 64;

    private static final long GRID_X = offset("gridDimX");
    private static final long GRID_Y = offset("gridDimY");
    private static final long GRID_Z = offset("gridDimZ");
    private static final long BLOCK_X = offset("blockDimX");
    private static final long BLOCK_Y = offset("blockDimY");
    private static final long BLOCK_Z = offset("blockDimZ");
    private static final long SHARED = offset("sharedMemBytes");
    private static final long STREAM = offset("hStream");
    private static final long ATTRIBUTES = offset("attrs");
    private static final long ATTRIBUTE_COUNT = offset("numAttrs");

    private final MemorySegment values;
    private final MemorySegment pointers;
    private final MemorySegment config;
    private int bytes;
    private int count;

    /** @param arena owns the memory */
    public LaunchArgs(Arena arena) {
        values = arena.allocate(MOST_BYTES, 256);
        pointers = arena.allocate(ADDRESS, MOST_ARGUMENTS);
        config = arena.allocate(CudaLaunch.CONFIG);
        MemorySegment attribute = arena.allocate(CudaLaunch.ATTRIBUTE);
        attribute.set(
                JAVA_INT,
                CudaLaunch.ATTRIBUTE.byteOffset(PathElement.groupElement("id")),
                CudaLaunch.PROGRAMMATIC_STREAM_SERIALIZATION);
        attribute.set(JAVA_INT, CudaLaunch.ATTRIBUTE.byteOffset(PathElement.groupElement("value")), 1);
        config.set(ADDRESS, ATTRIBUTES, attribute);
        config.set(JAVA_INT, BLOCK_Y, 1);
        config.set(JAVA_INT, BLOCK_Z, 1);
    }

    private static long offset(String field) {
        return CudaLaunch.CONFIG.byteOffset(PathElement.groupElement(field));
    }

    /** Forgets all arguments. */
    public LaunchArgs clear() {
        bytes = 0;
        count = 0;
        return this;
    }

    /** A pointer parameter: a device address. */
    public LaunchArgs address(long address) {
        values.set(JAVA_LONG, next(8, 8), address);
        return this;
    }

    /** An {@code int} parameter. */
    public LaunchArgs i32(int value) {
        values.set(JAVA_INT, next(4, 4), value);
        return this;
    }

    /** A {@code long long} parameter. */
    public LaunchArgs i64(long value) {
        values.set(JAVA_LONG, next(8, 8), value);
        return this;
    }

    /** A {@code float} parameter. */
    public LaunchArgs f32(float value) {
        values.set(JAVA_FLOAT, next(4, 4), value);
        return this;
    }

    /**
     * A parameter that is a struct passed by value.
     *
     * @param struct its bytes, {@code sizeof} of them; copied now
     * @param align its alignment, a power of two up to 256
     */
    public LaunchArgs struct(MemorySegment struct, int align) {
        long at = next(Math.toIntExact(struct.byteSize()), align);
        MemorySegment.copy(struct, 0, values, at, struct.byteSize());
        return this;
    }

    private int next(int size, int align) {
        int at = bytes + align - 1 & -align;
        if (at + size > MOST_BYTES || count == MOST_ARGUMENTS) {
            throw new IllegalStateException("a launch has at most " + MOST_ARGUMENTS + " arguments of " + MOST_BYTES
                    + " bytes; clear() comes before the arguments of the next one");
        }
        bytes = at + size;
        pointers.setAtIndex(JAVA_LONG, count++, values.address() + at);
        return at;
    }

    int count() {
        return count;
    }

    /** An address for each argument: {@code kernelParams}. */
    MemorySegment pointers() {
        return pointers;
    }

    /** The launch's {@code CUlaunchConfig}. */
    MemorySegment config(
            long stream, int gridX, int gridY, int gridZ, int threads, int sharedBytes, boolean programmatic) {
        config.set(JAVA_INT, GRID_X, gridX);
        config.set(JAVA_INT, GRID_Y, gridY);
        config.set(JAVA_INT, GRID_Z, gridZ);
        config.set(JAVA_INT, BLOCK_X, threads);
        config.set(JAVA_INT, SHARED, sharedBytes);
        config.set(JAVA_LONG, STREAM, stream);
        config.set(JAVA_INT, ATTRIBUTE_COUNT, programmatic ? 1 : 0);
        return config;
    }
}
