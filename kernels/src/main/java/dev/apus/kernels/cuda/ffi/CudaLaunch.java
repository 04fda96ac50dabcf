package dev.apus.kernels.cuda.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;

/** The CUDA driver's modules, launches, captures and graphs; conventions are those of {@link Cuda}. */
public final class CudaLaunch {
    /** {@code CUlaunchConfig}: grid, block, shared memory, stream, attributes. */
    public static final StructLayout CONFIG = MemoryLayout.structLayout(
                    JAVA_INT.withName("gridDimX"),
                    JAVA_INT.withName("gridDimY"),
                    JAVA_INT.withName("gridDimZ"),
                    JAVA_INT.withName("blockDimX"),
                    JAVA_INT.withName("blockDimY"),
                    JAVA_INT.withName("blockDimZ"),
                    JAVA_INT.withName("sharedMemBytes"),
                    MemoryLayout.paddingLayout(4),
                    JAVA_LONG.withName("hStream"),
                    ADDRESS.withName("attrs"),
                    JAVA_INT.withName("numAttrs"),
                    MemoryLayout.paddingLayout(4))
            .withName("CUlaunchConfig");

    /** {@code CUlaunchAttribute}: the id, then a union of 64 bytes of which an {@code int} is used here. */
    public static final StructLayout ATTRIBUTE = MemoryLayout.structLayout(
                    JAVA_INT.withName("id"),
                    MemoryLayout.paddingLayout(4),
                    JAVA_INT.withName("value"),
                    MemoryLayout.paddingLayout(60))
            .withName("CUlaunchAttribute");

    /** {@code CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION}: the kernel may start before the one ahead of it has ended. */
    public static final int PROGRAMMATIC_STREAM_SERIALIZATION = 6;

    /** {@code CU_FUNC_ATTRIBUTE_*}. */
    public static final int LOCAL_SIZE_BYTES = 3;

    public static final int NUM_REGS = 4;
    public static final int MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;

    /** {@code CU_STREAM_CAPTURE_MODE_THREAD_LOCAL}: other threads may allocate meanwhile. */
    private static final int CAPTURE_THREAD_LOCAL = 1;

    /** cuModuleLoadData(CUmodule*, const void* image) */
    private static final MethodHandle MODULE_LOAD = status("cuModuleLoadData", ADDRESS, ADDRESS);
    /** cuModuleUnload(CUmodule) */
    private static final MethodHandle MODULE_UNLOAD = status("cuModuleUnload", JAVA_LONG);
    /** cuModuleGetFunction(CUfunction*, CUmodule, const char* name) */
    private static final MethodHandle MODULE_FUNCTION = status("cuModuleGetFunction", ADDRESS, JAVA_LONG, ADDRESS);
    /** cuFuncGetAttribute(int* value, CUfunction_attribute, CUfunction) */
    private static final MethodHandle FUNCTION_GET = status("cuFuncGetAttribute", ADDRESS, JAVA_INT, JAVA_LONG);
    /** cuFuncSetAttribute(CUfunction, CUfunction_attribute, int value) */
    private static final MethodHandle FUNCTION_SET = status("cuFuncSetAttribute", JAVA_LONG, JAVA_INT, JAVA_INT);
    /** cuLaunchKernelEx(const CUlaunchConfig*, CUfunction, void** params, void** extra) */
    private static final MethodHandle LAUNCH = status("cuLaunchKernelEx", ADDRESS, JAVA_LONG, ADDRESS, ADDRESS);
    /** cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int threads, size_t sharedBytes) */
    private static final MethodHandle OCCUPANCY =
            status("cuOccupancyMaxActiveBlocksPerMultiprocessor", ADDRESS, JAVA_LONG, JAVA_INT, JAVA_LONG);
    /** cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode) */
    private static final MethodHandle BEGIN_CAPTURE = status("cuStreamBeginCapture_v2", JAVA_LONG, JAVA_INT);
    /** cuStreamEndCapture(CUstream, CUgraph*) */
    private static final MethodHandle END_CAPTURE = status("cuStreamEndCapture", JAVA_LONG, ADDRESS);
    /** cuStreamIsCapturing(CUstream, CUstreamCaptureStatus*) */
    private static final MethodHandle IS_CAPTURING = status("cuStreamIsCapturing", JAVA_LONG, ADDRESS);
    /** cuGraphInstantiateWithFlags(CUgraphExec*, CUgraph, unsigned long long flags) */
    private static final MethodHandle GRAPH_INSTANTIATE =
            status("cuGraphInstantiateWithFlags", ADDRESS, JAVA_LONG, JAVA_LONG);
    /** cuGraphUpload(CUgraphExec, CUstream) */
    private static final MethodHandle GRAPH_UPLOAD = status("cuGraphUpload", JAVA_LONG, JAVA_LONG);
    /** cuGraphLaunch(CUgraphExec, CUstream) */
    private static final MethodHandle GRAPH_LAUNCH = status("cuGraphLaunch", JAVA_LONG, JAVA_LONG);
    /** cuGraphExecDestroy(CUgraphExec) */
    private static final MethodHandle GRAPH_EXEC_DESTROY = status("cuGraphExecDestroy", JAVA_LONG);
    /** cuGraphDestroy(CUgraph) */
    private static final MethodHandle GRAPH_DESTROY = status("cuGraphDestroy", JAVA_LONG);

    private CudaLaunch() {}

    private static MethodHandle status(String symbol, MemoryLayout... arguments) {
        return Cuda.LIBRARY.handle(symbol, FunctionDescriptor.of(JAVA_INT, arguments));
    }

    /** Loads a cubin into the current context. */
    public static long loadModule(MemorySegment image) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) MODULE_LOAD.invokeExact(result, image), "cuModuleLoadData");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Unloads a module; its functions are gone with it. */
    public static void unloadModule(long module) {
        int status;
        try {
            status = (int) MODULE_UNLOAD.invokeExact(module);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuModuleUnload");
    }

    /** A kernel of a module by its unmangled ({@code extern "C"}) name. */
    public static long function(long module, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check(
                    (int) MODULE_FUNCTION.invokeExact(result, module, arena.allocateFrom(name)),
                    "cuModuleGetFunction",
                    "kernel " + name);
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** A function attribute, by one of the constants above. */
    public static int functionAttribute(int attribute, long function) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check((int) FUNCTION_GET.invokeExact(result, attribute, function), "cuFuncGetAttribute");
            return result.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Sets a function attribute. */
    public static void setFunctionAttribute(long function, int attribute, int value) {
        int status;
        try {
            status = (int) FUNCTION_SET.invokeExact(function, attribute, value);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuFuncSetAttribute");
    }

    /** Launches a kernel as a {@link #CONFIG} says, with an address for each parameter. */
    public static void launch(MemorySegment config, long function, MemorySegment parameters) {
        int status;
        try {
            status = (int) LAUNCH.invokeExact(config, function, parameters, MemorySegment.NULL);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuLaunchKernelEx");
    }

    /** Blocks of the kernel that a multiprocessor can run at once. */
    public static int occupancy(long function, int threads, long sharedBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check(
                    (int) OCCUPANCY.invokeExact(result, function, threads, sharedBytes),
                    "cuOccupancyMaxActiveBlocksPerMultiprocessor");
            return result.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** From now on work of the stream is recorded, not run. */
    public static void beginCapture(long stream) {
        int status;
        try {
            status = (int) BEGIN_CAPTURE.invokeExact(stream, CAPTURE_THREAD_LOCAL);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuStreamBeginCapture_v2");
    }

    /** Ends a capture; the caller destroys the graph, which is 0 if the capture was invalid. */
    public static long endCapture(long stream) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) END_CAPTURE.invokeExact(stream, result), "cuStreamEndCapture");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Whether the stream records, validly or not. */
    public static boolean isCapturing(long stream) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check((int) IS_CAPTURING.invokeExact(stream, result), "cuStreamIsCapturing");
            return result.get(JAVA_INT, 0) != 0;
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Makes a graph executable; it no longer needs the graph. */
    public static long instantiateGraph(long graph) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) GRAPH_INSTANTIATE.invokeExact(result, graph, 0L), "cuGraphInstantiateWithFlags");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Brings an executable graph to the device, so that its first launch is as fast as later ones. */
    public static void uploadGraph(long executable, long stream) {
        int status;
        try {
            status = (int) GRAPH_UPLOAD.invokeExact(executable, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuGraphUpload");
    }

    /** Runs an executable graph in a stream. */
    public static void launchGraph(long executable, long stream) {
        int status;
        try {
            status = (int) GRAPH_LAUNCH.invokeExact(executable, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuGraphLaunch");
    }

    /** Destroys an executable graph. */
    public static void destroyGraphExec(long executable) {
        int status;
        try {
            status = (int) GRAPH_EXEC_DESTROY.invokeExact(executable);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuGraphExecDestroy");
    }

    /** Destroys a graph. */
    public static void destroyGraph(long graph) {
        int status;
        try {
            status = (int) GRAPH_DESTROY.invokeExact(graph);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuGraphDestroy");
    }
}
