/* Stands in for libcuda.so.1 in FakeDriverTest: writes what each call received to the file that FAKE_DRIVER_LOG names and answers like a
 * driver with one device of compute capability 9.0. Types are written out from the driver API's documentation, not from Java. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long devptr;
typedef struct { int id; char pad[4]; union { char pad[64]; int value; } u; } Attribute;
typedef struct {
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared;
    void* stream;
    Attribute* attributes;
    unsigned attribute_count;
} Config;

static void note(const char* format, ...) {
    FILE* log = fopen(getenv("FAKE_DRIVER_LOG"), "a");
    va_list arguments;
    va_start(arguments, format);
    vfprintf(log, format, arguments);
    va_end(arguments);
    fputc('\n', log);
    fclose(log);
}

#define DEVICE 7
#define CONTEXT ((void*)0x1111222233334444)
#define STREAM ((void*)0x2222333344445555)
#define EVENT ((void*)0x3333444455556666)
#define MODULE ((void*)0x4444555566667777)
#define FUNCTION ((void*)0x5555666677778888)
#define GRAPH ((void*)0x6666777788889999)
#define EXECUTABLE ((void*)0x777788889999aaaa)
#define MEMORY 0x7f0000000100ull

static int capturing;
/* After a kernel's fault every call fails with it, until the process ends. */
static int fault;

int cuInit(unsigned flags) { note("init %u", flags); return 0; }
int cuDriverGetVersion(int* version) { *version = 12080; return 0; }
int cuDeviceGetCount(int* count) { *count = 1; return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = DEVICE + ordinal; return 0; }
int cuDeviceGetName(char* name, int length, int device) { snprintf(name, length, "Fake %d", device); return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    *value = attribute == 16 ? 132 : attribute == 38 ? 52428800 : attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 97 ? 232448 : -1;
    return device == DEVICE ? 0 : 101;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = 85ull << 30; return device == DEVICE ? 0 : 101; }
int cuDevicePrimaryCtxRetain(void** context, int device) { *context = CONTEXT; return device == DEVICE ? 0 : 101; }
int cuDevicePrimaryCtxRelease_v2(int device) { note("release %d", device); return 0; }
int cuCtxSetCurrent(void* context) { return context == CONTEXT ? 0 : 201; }
int cuMemGetInfo_v2(size_t* free, size_t* total) { *free = 5ull << 30; *total = 85ull << 30; return 0; }
int cuMemAlloc_v2(devptr* address, size_t bytes) {
    note("alloc %zu", bytes);
    *address = MEMORY;
    return bytes > 1ull << 40 ? 2 : 0;
}
int cuMemFree_v2(devptr address) { if (fault) return fault; note("free %llx", address); return 0; }
int cuMemHostAlloc(void** memory, size_t bytes, unsigned flags) { *memory = malloc(bytes); note("host %zu %u", bytes, flags); return 0; }
int cuMemFreeHost(void* memory) { free(memory); note("free host"); return 0; }
int cuMemcpyHtoDAsync_v2(devptr to, const void* from, size_t bytes, void* stream) {
    note("upload %llx %.5s %zu %d", to, (const char*)from, bytes, stream == STREAM);
    return 0;
}
int cuMemcpyDtoHAsync_v2(void* to, devptr from, size_t bytes, void* stream) {
    memset(to, 'd', bytes);
    note("download %llx %zu %d", from, bytes, stream == STREAM);
    return 0;
}
int cuMemcpyDtoDAsync_v2(devptr to, devptr from, size_t bytes, void* stream) {
    note("copy %llx %llx %zu %d", to, from, bytes, stream == STREAM);
    return 0;
}
int cuMemsetD8Async(devptr address, unsigned char value, size_t bytes, void* stream) {
    note("fill %llx %u %zu %d", address, value, bytes, stream == STREAM);
    return 0;
}
int cuStreamCreate(void** stream, unsigned flags) { *stream = STREAM; note("stream %u", flags); return 0; }
int cuStreamDestroy_v2(void* stream) { if (fault) return fault; note("destroy stream %d", stream == STREAM); return 0; }
int cuStreamSynchronize(void* stream) { return fault ? fault : stream == STREAM ? 0 : 400; }
int cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
    note("wait %d %d %u", stream == STREAM, event == EVENT, flags);
    return 0;
}
int cuEventCreate(void** event, unsigned flags) { *event = EVENT; note("event %u", flags); return 0; }
int cuEventDestroy_v2(void* event) { note("destroy event %d", event == EVENT); return 0; }
int cuEventRecord(void* event, void* stream) { note("record %d %d", event == EVENT, stream == STREAM); return 0; }
int cuEventQuery(void* event) { static int calls; return event == EVENT ? calls++ ? 0 : 600 : 400; }
int cuEventSynchronize(void* event) { return event == EVENT ? 0 : 400; }
int cuEventElapsedTime(float* milliseconds, void* start, void* end) { *milliseconds = 1.25f; return start == end ? 0 : 400; }
int cuModuleLoadData(void** module, const void* image) {
    *module = MODULE;
    note("load %.4s", (const char*)image);
    return memcmp(image, "CODE", 4) ? 209 : 0;
}
int cuModuleUnload(void* module) { note("unload %d", module == MODULE); return 0; }
int cuModuleGetFunction(void** function, void* module, const char* name) {
    *function = FUNCTION;
    return module != MODULE ? 400 : strcmp(name, "kernel") ? 500 : 0;
}
int cuFuncGetAttribute(int* value, int attribute, void* function) { *value = 100 + attribute; return function == FUNCTION ? 0 : 400; }
int cuFuncSetAttribute(void* function, int attribute, int value) {
    note("set %d %d %d", function == FUNCTION, attribute, value);
    return 0;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* function, int threads, size_t shared) {
    *blocks = function == FUNCTION && threads == 256 && shared == 100000 ? 2 : -1;
    return 0;
}
/* kernel(u64 address, int, float, long long, struct of 24 bytes) */
int cuLaunchKernelEx(const Config* c, void* function, void** parameters, void** extra) {
    if (c->shared == 1) {
        return 1;
    }
    if (c->shared == 2) {
        fault = 700;
        return 0;
    }
    note("launch %u %u %u, %u %u %u, %u, stream %d, attributes %u, extra %d", c->grid_x, c->grid_y, c->grid_z, c->block_x, c->block_y,
        c->block_z, c->shared, c->stream == STREAM, c->attribute_count, extra != NULL);
    note("attribute %d %d of %zu bytes, config %zu", c->attributes[0].id, c->attributes[0].u.value, sizeof(Attribute), sizeof(Config));
    note("arguments %llx %d %.2f %lld, aligned %d, struct %d %d, %d", *(devptr*)parameters[0], *(int*)parameters[1],
        *(float*)parameters[2], *(long long*)parameters[3], (uintptr_t)parameters[3] % 8 == 0, ((int*)parameters[4])[0],
        ((int*)parameters[4])[5], function == FUNCTION);
    return 0;
}
int cuStreamBeginCapture_v2(void* stream, int mode) { capturing = 1; note("capture %d %d", stream == STREAM, mode); return 0; }
int cuStreamEndCapture(void* stream, void** graph) { capturing = 0; *graph = GRAPH; return stream == STREAM ? 0 : 400; }
int cuStreamIsCapturing(void* stream, int* status) { *status = capturing; return stream == STREAM ? 0 : 400; }
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
    *executable = EXECUTABLE;
    note("instantiate %d %llu", graph == GRAPH, flags);
    return 0;
}
int cuGraphUpload(void* executable, void* stream) { note("upload graph %d %d", executable == EXECUTABLE, stream == STREAM); return 0; }
int cuGraphLaunch(void* executable, void* stream) { note("launch graph %d %d", executable == EXECUTABLE, stream == STREAM); return 0; }
int cuGraphExecDestroy(void* executable) { note("destroy executable %d", executable == EXECUTABLE); return 0; }
int cuGraphDestroy(void* graph) { note("destroy graph %d", graph == GRAPH); return 0; }
int cuGetErrorName(int code, const char** text) {
    *text = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 209 ? "CUDA_ERROR_NO_BINARY_FOR_GPU" : code == 500 ? "CUDA_ERROR_NOT_FOUND" : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
        : code == 1 ? "CUDA_ERROR_INVALID_VALUE" : NULL;
    return *text ? 0 : 1;
}
int cuGetErrorString(int code, const char** text) { *text = code == 2 ? "out of memory" : "said the driver"; return 0; }
