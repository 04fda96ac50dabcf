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
import java.lang.invoke.MethodHandle;
import java.util.List;

/**
 * The CUDA driver's devices, memory, streams and events; {@link CudaLaunch} has modules, launches and graphs.
 *
 * <p>Handles and device addresses are {@code long}, host memory is a {@link MemorySegment}. Functions work on the context that is current
 * in the calling thread. Every one throws {@link CudaException} for a status other than success, and {@link NativeLinkException}
 * without a driver.
 */
public final class Cuda {
    static final NativeLibrary LIBRARY =
            LibrarySearch.ofProcess().find("the NVIDIA driver's library (libcuda.so.1)", List.of("libcuda.so.1"));

    /** {@code CU_DEVICE_ATTRIBUTE_*}. */
    public static final int MULTIPROCESSOR_COUNT = 16;

    public static final int L2_CACHE_SIZE = 38;
    public static final int COMPUTE_CAPABILITY_MAJOR = 75;
    public static final int COMPUTE_CAPABILITY_MINOR = 76;
    public static final int MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97;

    /** {@code CU_STREAM_NON_BLOCKING}: does not wait for the legacy default stream. */
    private static final int STREAM_NON_BLOCKING = 1;
    /** {@code CUDA_ERROR_NOT_READY}: not an error, the answer "no" of a query. */
    private static final int NOT_READY = 600;

    /** cuInit(unsigned flags) */
    private static final MethodHandle INIT = status("cuInit", JAVA_INT);
    /** cuDriverGetVersion(int* version) */
    private static final MethodHandle DRIVER_VERSION = status("cuDriverGetVersion", ADDRESS);
    /** cuDeviceGetCount(int* count) */
    private static final MethodHandle DEVICE_COUNT = status("cuDeviceGetCount", ADDRESS);
    /** cuDeviceGet(CUdevice* device, int ordinal) */
    private static final MethodHandle DEVICE_GET = status("cuDeviceGet", ADDRESS, JAVA_INT);
    /** cuDeviceGetName(char* name, int length, CUdevice) */
    private static final MethodHandle DEVICE_NAME = status("cuDeviceGetName", ADDRESS, JAVA_INT, JAVA_INT);
    /** cuDeviceGetAttribute(int* value, CUdevice_attribute, CUdevice) */
    private static final MethodHandle DEVICE_ATTRIBUTE = status("cuDeviceGetAttribute", ADDRESS, JAVA_INT, JAVA_INT);
    /** cuDeviceTotalMem_v2(size_t* bytes, CUdevice) */
    private static final MethodHandle DEVICE_TOTAL_MEM = status("cuDeviceTotalMem_v2", ADDRESS, JAVA_INT);
    /** cuDevicePrimaryCtxRetain(CUcontext*, CUdevice) */
    private static final MethodHandle PRIMARY_CTX_RETAIN = status("cuDevicePrimaryCtxRetain", ADDRESS, JAVA_INT);
    /** cuDevicePrimaryCtxRelease_v2(CUdevice) */
    private static final MethodHandle PRIMARY_CTX_RELEASE = status("cuDevicePrimaryCtxRelease_v2", JAVA_INT);
    /** cuCtxSetCurrent(CUcontext) */
    private static final MethodHandle CTX_SET_CURRENT = status("cuCtxSetCurrent", JAVA_LONG);
    /** cuMemGetInfo_v2(size_t* free, size_t* total) */
    private static final MethodHandle MEM_INFO = status("cuMemGetInfo_v2", ADDRESS, ADDRESS);
    /** cuMemAlloc_v2(CUdeviceptr*, size_t bytes) */
    private static final MethodHandle MEM_ALLOC = status("cuMemAlloc_v2", ADDRESS, JAVA_LONG);
    /** cuMemFree_v2(CUdeviceptr) */
    private static final MethodHandle MEM_FREE = status("cuMemFree_v2", JAVA_LONG);
    /** cuMemHostAlloc(void**, size_t bytes, unsigned flags) */
    private static final MethodHandle MEM_HOST_ALLOC = status("cuMemHostAlloc", ADDRESS, JAVA_LONG, JAVA_INT);
    /** cuMemFreeHost(void*) */
    private static final MethodHandle MEM_FREE_HOST = status("cuMemFreeHost", ADDRESS);
    /** cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream) */
    private static final MethodHandle UPLOAD = status("cuMemcpyHtoDAsync_v2", JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG);
    /** cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream) */
    private static final MethodHandle DOWNLOAD =
            status("cuMemcpyDtoHAsync_v2", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    /** cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream) */
    private static final MethodHandle COPY = status("cuMemcpyDtoDAsync_v2", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    /** cuMemsetD8Async(CUdeviceptr, unsigned char value, size_t bytes, CUstream) */
    private static final MethodHandle FILL = status("cuMemsetD8Async", JAVA_LONG, JAVA_BYTE, JAVA_LONG, JAVA_LONG);
    /** cuStreamCreate(CUstream*, unsigned flags) */
    private static final MethodHandle STREAM_CREATE = status("cuStreamCreate", ADDRESS, JAVA_INT);
    /** cuStreamDestroy_v2(CUstream) */
    private static final MethodHandle STREAM_DESTROY = status("cuStreamDestroy_v2", JAVA_LONG);
    /** cuStreamSynchronize(CUstream) */
    private static final MethodHandle STREAM_SYNCHRONIZE = status("cuStreamSynchronize", JAVA_LONG);
    /** cuStreamWaitEvent(CUstream, CUevent, unsigned flags) */
    private static final MethodHandle STREAM_WAIT_EVENT = status("cuStreamWaitEvent", JAVA_LONG, JAVA_LONG, JAVA_INT);
    /** cuEventCreate(CUevent*, unsigned flags) */
    private static final MethodHandle EVENT_CREATE = status("cuEventCreate", ADDRESS, JAVA_INT);
    /** cuEventDestroy_v2(CUevent) */
    private static final MethodHandle EVENT_DESTROY = status("cuEventDestroy_v2", JAVA_LONG);
    /** cuEventRecord(CUevent, CUstream) */
    private static final MethodHandle EVENT_RECORD = status("cuEventRecord", JAVA_LONG, JAVA_LONG);
    /** cuEventQuery(CUevent) */
    private static final MethodHandle EVENT_QUERY = status("cuEventQuery", JAVA_LONG);
    /** cuEventSynchronize(CUevent) */
    private static final MethodHandle EVENT_SYNCHRONIZE = status("cuEventSynchronize", JAVA_LONG);
    /** cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) */
    private static final MethodHandle EVENT_ELAPSED = status("cuEventElapsedTime", ADDRESS, JAVA_LONG, JAVA_LONG);

    private Cuda() {}

    private static MethodHandle status(String symbol, MemoryLayout... arguments) {
        return LIBRARY.handle(symbol, FunctionDescriptor.of(JAVA_INT, arguments));
    }

    /** The driver's library: whether it is there, where it came from, what was tried. */
    public static NativeLibrary library() {
        return LIBRARY;
    }

    /** Must be called before any other function; more than once does no harm. */
    public static void init() {
        int status;
        try {
            status = (int) INIT.invokeExact(0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuInit");
    }

    /** The newest CUDA version that the driver runs, 1000 major + 10 minor; needs no device. */
    public static int driverVersion() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check((int) DRIVER_VERSION.invokeExact(result), "cuDriverGetVersion");
            return result.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Devices that this process may see. */
    public static int deviceCount() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check((int) DEVICE_COUNT.invokeExact(result), "cuDeviceGetCount");
            return result.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Handle of a device. */
    public static int device(int ordinal) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check((int) DEVICE_GET.invokeExact(result, ordinal), "cuDeviceGet");
            return result.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** What the device is called, as {@code NVIDIA H100 80GB HBM3}. */
    public static String deviceName(int device) {
        int length = 256;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocate(length);
            CudaStatus.check((int) DEVICE_NAME.invokeExact(name, length, device), "cuDeviceGetName");
            return name.getString(0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** A device attribute, by one of the constants above. */
    public static int deviceAttribute(int attribute, int device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_INT);
            CudaStatus.check((int) DEVICE_ATTRIBUTE.invokeExact(result, attribute, device), "cuDeviceGetAttribute");
            return result.get(JAVA_INT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Bytes of memory of a device. */
    public static long totalMemory(int device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) DEVICE_TOTAL_MEM.invokeExact(result, device), "cuDeviceTotalMem_v2");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** The primary context of a device; each call needs one {@link #releasePrimaryContext}. */
    public static long retainPrimaryContext(int device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) PRIMARY_CTX_RETAIN.invokeExact(result, device), "cuDevicePrimaryCtxRetain");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Gives back one {@link #retainPrimaryContext}; the last one destroys the context. */
    public static void releasePrimaryContext(int device) {
        int status;
        try {
            status = (int) PRIMARY_CTX_RELEASE.invokeExact(device);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuDevicePrimaryCtxRelease_v2");
    }

    /** Makes a context the calling thread's. */
    public static void setCurrentContext(long context) {
        int status;
        try {
            status = (int) CTX_SET_CURRENT.invokeExact(context);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuCtxSetCurrent");
    }

    /** Bytes of device memory that are free now, for everybody. */
    public static long freeMemory() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment free = arena.allocate(JAVA_LONG);
            MemorySegment total = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) MEM_INFO.invokeExact(free, total), "cuMemGetInfo_v2");
            return free.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Allocates device memory, aligned to 256 bytes at least. */
    public static long allocate(long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) MEM_ALLOC.invokeExact(result, bytes), "cuMemAlloc_v2");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Frees what {@link #allocate} returned; waits for the device. */
    public static void free(long address) {
        int status;
        try {
            status = (int) MEM_FREE.invokeExact(address);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuMemFree_v2");
    }

    /** Allocates page-locked host memory of {@code bytes} bytes, which the device reads and writes by itself. */
    public static MemorySegment allocateHost(long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ADDRESS);
            CudaStatus.check((int) MEM_HOST_ALLOC.invokeExact(result, bytes, 0), "cuMemHostAlloc");
            return result.get(ADDRESS, 0).reinterpret(bytes);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Frees what {@link #allocateHost} returned. */
    public static void freeHost(MemorySegment memory) {
        int status;
        try {
            status = (int) MEM_FREE_HOST.invokeExact(memory);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuMemFreeHost");
    }

    /** Copies from host to device; asynchronous if the host memory is page-locked. */
    public static void upload(long to, MemorySegment from, long bytes, long stream) {
        int status;
        try {
            status = (int) UPLOAD.invokeExact(to, from, bytes, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuMemcpyHtoDAsync_v2");
    }

    /** Copies from device to host; asynchronous if the host memory is page-locked. */
    public static void download(MemorySegment to, long from, long bytes, long stream) {
        int status;
        try {
            status = (int) DOWNLOAD.invokeExact(to, from, bytes, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuMemcpyDtoHAsync_v2");
    }

    /** Copies within the device. */
    public static void copy(long to, long from, long bytes, long stream) {
        int status;
        try {
            status = (int) COPY.invokeExact(to, from, bytes, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuMemcpyDtoDAsync_v2");
    }

    /** Sets bytes of device memory. */
    public static void fill(long address, byte value, long bytes, long stream) {
        int status;
        try {
            status = (int) FILL.invokeExact(address, value, bytes, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuMemsetD8Async");
    }

    /** A stream that does not wait for the legacy default stream. */
    public static long createStream() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) STREAM_CREATE.invokeExact(result, STREAM_NON_BLOCKING), "cuStreamCreate");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Destroys a stream once its work is done; does not wait for that. */
    public static void destroyStream(long stream) {
        int status;
        try {
            status = (int) STREAM_DESTROY.invokeExact(stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuStreamDestroy_v2");
    }

    /** Waits until all work of the stream is done; throws what a kernel of it did wrong. */
    public static void synchronizeStream(long stream) {
        int status;
        try {
            status = (int) STREAM_SYNCHRONIZE.invokeExact(stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuStreamSynchronize");
    }

    /** Makes later work of the stream wait for an event. */
    public static void streamWaitEvent(long stream, long event) {
        int status;
        try {
            status = (int) STREAM_WAIT_EVENT.invokeExact(stream, event, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuStreamWaitEvent");
    }

    /** An event that keeps the time of its recording. */
    public static long createEvent() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_LONG);
            CudaStatus.check((int) EVENT_CREATE.invokeExact(result, 0), "cuEventCreate");
            return result.get(JAVA_LONG, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }

    /** Destroys an event. */
    public static void destroyEvent(long event) {
        int status;
        try {
            status = (int) EVENT_DESTROY.invokeExact(event);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuEventDestroy_v2");
    }

    /** Marks the place in the stream that the event stands for. */
    public static void recordEvent(long event, long stream) {
        int status;
        try {
            status = (int) EVENT_RECORD.invokeExact(event, stream);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuEventRecord");
    }

    /** Whether all work before the event's recording is done. */
    public static boolean isEventDone(long event) {
        int status;
        try {
            status = (int) EVENT_QUERY.invokeExact(event);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        if (status == NOT_READY) {
            return false;
        }
        CudaStatus.check(status, "cuEventQuery");
        return true;
    }

    /** Waits until all work before the event's recording is done. */
    public static void synchronizeEvent(long event) {
        int status;
        try {
            status = (int) EVENT_SYNCHRONIZE.invokeExact(event);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
        CudaStatus.check(status, "cuEventSynchronize");
    }

    /** Milliseconds between two recorded and reached events. */
    public static float elapsedMillis(long start, long end) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(JAVA_FLOAT);
            CudaStatus.check((int) EVENT_ELAPSED.invokeExact(result, start, end), "cuEventElapsedTime");
            return result.get(JAVA_FLOAT, 0);
        } catch (Throwable t) {
            throw NativeLibrary.unexpected(t);
        }
    }
}
