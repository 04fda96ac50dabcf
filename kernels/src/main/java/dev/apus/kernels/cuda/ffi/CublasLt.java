package dev.apus.kernels.cuda.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * cuBLASLt's matrix products on the current context. Matrices are column-major: a row-major {@code [out][in]} weight is an {@code in x out}
 * matrix of leading dimension {@code in}, taken transposed. Handles and device addresses are {@code long}.
 */
public final class CublasLt {
    static final NativeLibrary LIBRARY =
            LibrarySearch.ofProcess().find("cuBLASLt (libcublasLt.so)", CudaVersions.sonames("libcublasLt.so"));

    /** {@code cudaDataType_t}. */
    public static final int R_32F = 0;

    public static final int R_16F = 2;
    public static final int R_16BF = 14;
    public static final int R_8F_E4M3 = 28;

    /** {@code cublasComputeType_t}: products of F32 inputs in F32, of narrower ones exact, sums in F32. */
    public static final int COMPUTE_32F = 68;

    public static final int COMPUTE_32F_FAST_TF32 = 77;

    /** {@code cublasOperation_t}. */
    public static final int OP_N = 0;

    public static final int OP_T = 1;

    /** {@code cublasLtMatmulDescAttributes_t}. */
    public static final int DESC_TRANSA = 3;

    public static final int DESC_TRANSB = 4;
    public static final int DESC_EPILOGUE = 7;
    public static final int DESC_BIAS_POINTER = 8;
    public static final int DESC_A_SCALE_POINTER = 17;
    public static final int DESC_B_SCALE_POINTER = 18;
    public static final int DESC_FAST_ACCUM = 25;
    public static final int DESC_BIAS_DATA_TYPE = 26;

    /** {@code cublasLtEpilogue_t}. */
    public static final int EPILOGUE_DEFAULT = 1;

    public static final int EPILOGUE_BIAS = 4;

    /** {@code cublasLtMatmulPreferenceAttributes_t}. */
    private static final int PREF_MAX_WORKSPACE_BYTES = 1;

    /** {@code cublasLtMatmulAlgo_t}, opaque. */
    public static final long ALGO_BYTES = 64;

    /** {@code cublasLtMatmulHeuristicResult_t}. */
    static final StructLayout HEURISTIC = MemoryLayout.structLayout(
                    MemoryLayout.sequenceLayout(8, JAVA_LONG).withName("algo"),
                    JAVA_LONG.withName("workspaceSize"),
                    JAVA_INT.withName("state"),
                    JAVA_FLOAT.withName("wavesCount"),
                    MemoryLayout.sequenceLayout(4, JAVA_INT).withName("reserved"))
            .withName("cublasLtMatmulHeuristicResult_t");

    private static final long WORKSPACE_AT =
            HEURISTIC.byteOffset(MemoryLayout.PathElement.groupElement("workspaceSize"));
    private static final long STATE_AT = HEURISTIC.byteOffset(MemoryLayout.PathElement.groupElement("state"));
    private static final long WAVES_AT = HEURISTIC.byteOffset(MemoryLayout.PathElement.groupElement("wavesCount"));

    /** size_t cublasLtGetVersion(void) */
    private static final MethodHandle VERSION = LIBRARY.handle("cublasLtGetVersion", FunctionDescriptor.of(JAVA_LONG));
    /** const char* cublasLtGetStatusName(cublasStatus_t) */
    private static final MethodHandle STATUS_NAME =
            LIBRARY.handle("cublasLtGetStatusName", FunctionDescriptor.of(ADDRESS, JAVA_INT));
    /** cublasLtCreate(cublasLtHandle_t*) */
    private static final MethodHandle CREATE = status("cublasLtCreate", ADDRESS);
    /** cublasLtDestroy(cublasLtHandle_t) */
    private static final MethodHandle DESTROY = status("cublasLtDestroy", JAVA_LONG);
    /** cublasLtMatmulDescCreate(cublasLtMatmulDesc_t*, cublasComputeType_t, cudaDataType_t scaleType) */
    private static final MethodHandle DESC_CREATE = status("cublasLtMatmulDescCreate", ADDRESS, JAVA_INT, JAVA_INT);
    /** cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t) */
    private static final MethodHandle DESC_DESTROY = status("cublasLtMatmulDescDestroy", JAVA_LONG);
    /** cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, const void*, size_t) */
    private static final MethodHandle DESC_SET =
            status("cublasLtMatmulDescSetAttribute", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    /** cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t*, cudaDataType, uint64_t rows, uint64_t cols, int64_t ld) */
    private static final MethodHandle LAYOUT_CREATE =
            status("cublasLtMatrixLayoutCreate", ADDRESS, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    /** cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t) */
    private static final MethodHandle LAYOUT_DESTROY = status("cublasLtMatrixLayoutDestroy", JAVA_LONG);
    /** cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t*) */
    private static final MethodHandle PREF_CREATE = status("cublasLtMatmulPreferenceCreate", ADDRESS);
    /** cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) */
    private static final MethodHandle PREF_DESTROY = status("cublasLtMatmulPreferenceDestroy", JAVA_LONG);
    /** cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, attribute, const void*, size_t) */
    private static final MethodHandle PREF_SET =
            status("cublasLtMatmulPreferenceSetAttribute", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    /** cublasLtMatmulAlgoGetHeuristic(handle, desc, A, B, C, D layouts, preference, int requested, result[], int* returned) */
    private static final MethodHandle HEURISTICS = status(
            "cublasLtMatmulAlgoGetHeuristic",
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_INT,
            ADDRESS,
            ADDRESS);
    /** cublasLtMatmul(handle, desc, alpha*, A, Adesc, B, Bdesc, beta*, C, Cdesc, D, Ddesc, algo*, workspace, size_t, stream) */
    private static final MethodHandle MATMUL = status(
            "cublasLtMatmul",
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG);

    private static final int MOST_TEXT = 256;

    private CublasLt() {}

    private static MethodHandle status(String symbol, MemoryLayout... arguments) {
        return LIBRARY.handle(symbol, FunctionDescriptor.of(JAVA_INT, arguments));
    }

    /** The library: whether it is there, where it came from, what was tried. */
    public static NativeLibrary library() {
        return LIBRARY;
    }

    /** Major, minor and patch in decimal, as 130002. */
    public static long version() {
        try {
            return (long) VERSION.invokeExact();
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** A handle for the current context. */
    public static long create() {
        return created(arena -> {
            MemorySegment result = arena.allocate(JAVA_LONG);
            check((int) CREATE.invokeExact(result), "cublasLtCreate");
            return result;
        });
    }

    public static void destroy(long handle) {
        destroyed(DESTROY, handle, "cublasLtDestroy");
    }

    /** A product's description with F32 scale factors: {@code D = alpha op(A) op(B) + beta C}. */
    public static long createDesc(int computeType) {
        return created(arena -> {
            MemorySegment result = arena.allocate(JAVA_LONG);
            check((int) DESC_CREATE.invokeExact(result, computeType, R_32F), "cublasLtMatmulDescCreate");
            return result;
        });
    }

    public static void destroyDesc(long desc) {
        destroyed(DESC_DESTROY, desc, "cublasLtMatmulDescDestroy");
    }

    /** Sets an attribute of 32 bits: transpositions, epilogue, data types. */
    public static void setDesc(long desc, int attribute, int value) {
        set(DESC_SET, desc, attribute, arena -> arena.allocateFrom(JAVA_INT, value), "cublasLtMatmulDescSetAttribute");
    }

    /** Sets an attribute that is a device address: bias, scales. */
    public static void setDescPointer(long desc, int attribute, long address) {
        set(
                DESC_SET,
                desc,
                attribute,
                arena -> arena.allocateFrom(JAVA_LONG, address),
                "cublasLtMatmulDescSetAttribute");
    }

    /** Sets {@link #DESC_FAST_ACCUM}, an attribute of 8 bits. */
    public static void setDescFastAccumulation(long desc, boolean fast) {
        byte value = (byte) (fast ? 1 : 0);
        set(
                DESC_SET,
                desc,
                DESC_FAST_ACCUM,
                arena -> arena.allocateFrom(JAVA_BYTE, value),
                "cublasLtMatmulDescSetAttribute");
    }

    /** A column-major matrix; {@code ld} is the number of elements between columns. */
    public static long createLayout(int dataType, long rows, long columns, long ld) {
        return created(arena -> {
            MemorySegment result = arena.allocate(JAVA_LONG);
            check((int) LAYOUT_CREATE.invokeExact(result, dataType, rows, columns, ld), "cublasLtMatrixLayoutCreate");
            return result;
        });
    }

    public static void destroyLayout(long layout) {
        destroyed(LAYOUT_DESTROY, layout, "cublasLtMatrixLayoutDestroy");
    }

    /** What algorithms may use. */
    public static long createPreference(long workspaceBytes) {
        long preference = created(arena -> {
            MemorySegment result = arena.allocate(JAVA_LONG);
            check((int) PREF_CREATE.invokeExact(result), "cublasLtMatmulPreferenceCreate");
            return result;
        });
        set(
                PREF_SET,
                preference,
                PREF_MAX_WORKSPACE_BYTES,
                arena -> arena.allocateFrom(JAVA_LONG, workspaceBytes),
                "cublasLtMatmulPreferenceSetAttribute");
        return preference;
    }

    public static void destroyPreference(long preference) {
        destroyed(PREF_DESTROY, preference, "cublasLtMatmulPreferenceDestroy");
    }

    /**
     * An algorithm that cuBLASLt proposes.
     *
     * @param algo {@value #ALGO_BYTES} bytes that {@link #matmul} takes; live as long as the arena they were allocated in
     * @param workspaceBytes device memory that it needs
     * @param waves share of the device that one launch fills; 1 fills it once
     */
    public record Algorithm(MemorySegment algo, long workspaceBytes, float waves) {}

    /**
     * Algorithms for a product, the one that is estimated fastest first; empty if it is not supported.
     *
     * @param arena owns the algorithms' bytes
     * @param most how many are wanted
     */
    public static List<Algorithm> heuristics(
            Arena arena, long handle, long desc, long a, long b, long c, long d, long preference, int most) {
        try {
            MemorySegment results = arena.allocate(HEURISTIC, most);
            MemorySegment count = arena.allocate(JAVA_INT);
            int status = (int) HEURISTICS.invokeExact(handle, desc, a, b, c, d, preference, most, results, count);
            if (status == NOT_SUPPORTED) {
                return List.of();
            }
            check(status, "cublasLtMatmulAlgoGetHeuristic");
            List<Algorithm> found = new ArrayList<>();
            for (int i = 0; i < count.get(JAVA_INT, 0); i++) {
                MemorySegment result = results.asSlice(i * HEURISTIC.byteSize(), HEURISTIC.byteSize());
                if (result.get(JAVA_INT, STATE_AT) == 0) {
                    found.add(new Algorithm(
                            result.asSlice(0, ALGO_BYTES),
                            result.get(JAVA_LONG, WORKSPACE_AT),
                            result.get(JAVA_FLOAT, WAVES_AT)));
                }
            }
            return found;
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** {@code CUBLAS_STATUS_NOT_SUPPORTED}. */
    private static final int NOT_SUPPORTED = 15;

    /**
     * Launches {@code D = alpha op(A) op(B) + beta C}; {@code C} may be {@code D}.
     *
     * @param alpha one F32 in host memory, read before the call returns; so is {@code beta}
     * @param a device address; so are {@code b}, {@code c}, {@code d} and {@code workspace}
     * @param aLayout of {@link #createLayout}; so are the others
     * @param algo of {@link #heuristics}
     */
    public static void matmul(
            long handle,
            long desc,
            MemorySegment alpha,
            long a,
            long aLayout,
            long b,
            long bLayout,
            MemorySegment beta,
            long c,
            long cLayout,
            long d,
            long dLayout,
            MemorySegment algo,
            long workspace,
            long workspaceBytes,
            long stream) {
        int status;
        try {
            status = (int) MATMUL.invokeExact(
                    handle,
                    desc,
                    alpha,
                    a,
                    aLayout,
                    b,
                    bLayout,
                    beta,
                    c,
                    cLayout,
                    d,
                    dLayout,
                    algo,
                    workspace,
                    workspaceBytes,
                    stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        check(status, "cublasLtMatmul");
    }

    /** A call that leaves a new handle in the segment it returns. */
    private interface Creation {
        MemorySegment run(Arena arena) throws Throwable;
    }

    private interface Value {
        MemorySegment in(Arena arena);
    }

    private static long created(Creation creation) {
        try (Arena arena = Arena.ofConfined()) {
            return creation.run(arena).get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    private static void destroyed(MethodHandle destroy, long handle, String call) {
        int status;
        try {
            status = (int) destroy.invokeExact(handle);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        check(status, call);
    }

    private static void set(MethodHandle setter, long object, int attribute, Value value, String call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = value.in(arena);
            check((int) setter.invokeExact(object, attribute, bytes, bytes.byteSize()), call);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    private static void check(int status, String call) {
        if (status == 0) {
            return;
        }
        try {
            MemorySegment text = (MemorySegment) STATUS_NAME.invokeExact(status);
            String name = text.address() == 0
                    ? "unknown status"
                    : text.reinterpret(MOST_TEXT).getString(0);
            throw new CudaException(call, status, name, "");
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }
}
