// What every kernel of Apus is written with: integer and bf16 types, warp and block reductions, asynchronous copies, tensor core
// instructions, programmatic launches and the metadata of a step. Self-contained: NVRTC needs no header of the toolkit.
//
// Defines set by the host:
//   ACT_F32       activations, weights and cached keys and values are float32 (small models, tests); else bf16
//   KV_FP8        cached keys and values are fp8 e4m3
//   further ones  named at the top of the file that reads them (HEAD_DIM, ...)
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// ---- bf16 -----------------------------------------------------------------------------------------------------------------

struct bf16 {
    u16 bits;
};

__device__ __forceinline__ float to_float(bf16 v) {
    return __uint_as_float((u32)v.bits << 16);
}

__device__ __forceinline__ float to_float(float v) {
    return v;
}

// Two values, the first in the low half; rounds to nearest even.
__device__ __forceinline__ u32 pack_bf16(float low, float high) {
    u32 packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

__device__ __forceinline__ float low_bf16(u32 packed) {
    return __uint_as_float(packed << 16);
}

__device__ __forceinline__ float high_bf16(u32 packed) {
    return __uint_as_float(packed & 0xffff0000u);
}

template <typename T> __device__ __forceinline__ T from_float(float v);

template <> __device__ __forceinline__ float from_float<float>(float v) {
    return v;
}

template <> __device__ __forceinline__ bf16 from_float<bf16>(float v) {
    bf16 r;
    r.bits = (u16)pack_bf16(v, 0.0f);
    return r;
}

// ---- fp8 e4m3 -------------------------------------------------------------------------------------------------------------

struct fp8 {
    u8 bits;
};

#if __CUDA_ARCH__ >= 890
// Two values, the first in the low byte; saturates at 448.
__device__ __forceinline__ u16 pack_fp8(float low, float high) {
    u16 packed;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(packed) : "f"(high), "f"(low));
    return packed;
}

// Two values as packed f16.
__device__ __forceinline__ u32 fp8_to_half2(u16 packed) {
    u32 halves;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(packed));
    return halves;
}
#endif

// ---- the types of a build ---------------------------------------------------------------------------------------------------

#ifdef ACT_F32
typedef float act;   // activations and weights
typedef float kv_t;  // cached keys and values
#else
typedef bf16 act;
#ifdef KV_FP8
typedef fp8 kv_t;
#else
typedef bf16 kv_t;
#endif
#endif

// ---- reductions -------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) {
        v += __shfl_xor_sync(0xffffffffu, v, mask);
    }
    return v;
}

__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) {
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, mask));
    }
    return v;
}

// Sum over a block of at most 1024 threads, the same bits in every thread. Ends with all threads having read the scratch.
__device__ __forceinline__ float block_sum(float v) {
    __shared__ float partial[32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = (blockDim.x + 31) >> 5;
    v = warp_sum(v);
    if (lane == 0) {
        partial[warp] = v;
    }
    __syncthreads();
    v = warp_sum(lane < warps ? partial[lane] : 0.0f);
    __syncthreads();
    return v;
}

// ---- programmatic dependent launch --------------------------------------------------------------------------------------------

// Waits for the kernels launched before; to be called before the first read or write of what they touch.
__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel's blocks start their prologue; they still wait for this kernel's end in wait_for_previous.
__device__ __forceinline__ void allow_next() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// ---- loads ---------------------------------------------------------------------------------------------------------------------

// 16 bytes that are read once: weights. Does not displace what L1 holds.
__device__ __forceinline__ uint4 load_once(const void* address) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
    return v;
}

// Eight consecutive values, 16-byte aligned; what pointwise kernels move at a time.
__device__ __forceinline__ void load8(float (&v)[8], const float* p) {
    const float4 a = *(const float4*)p, b = *((const float4*)p + 1);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

__device__ __forceinline__ void load8(float (&v)[8], const bf16* p) {
    const uint4 a = *(const uint4*)p;
    v[0] = low_bf16(a.x), v[1] = high_bf16(a.x), v[2] = low_bf16(a.y), v[3] = high_bf16(a.y);
    v[4] = low_bf16(a.z), v[5] = high_bf16(a.z), v[6] = low_bf16(a.w), v[7] = high_bf16(a.w);
}

__device__ __forceinline__ void store8(float* p, const float (&v)[8]) {
    *(float4*)p = make_float4(v[0], v[1], v[2], v[3]);
    *((float4*)p + 1) = make_float4(v[4], v[5], v[6], v[7]);
}

__device__ __forceinline__ void store8(bf16* p, const float (&v)[8]) {
    *(uint4*)p = make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]), pack_bf16(v[6], v[7]));
}

__device__ __forceinline__ u32 shared_address(const void* p) {
    return (u32)__cvta_generic_to_shared(p);
}

// 16 bytes from global to shared memory; zeros where not valid.
__device__ __forceinline__ void copy_async(u32 shared, const void* global, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(valid ? 16 : 0) : "memory");
}

__device__ __forceinline__ void copy_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int PENDING> __device__ __forceinline__ void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// ---- tensor cores ----------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ void load_matrix_x4(u32& a, u32& b, u32& c, u32& d, u32 shared) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "r"(shared) : "memory");
}

__device__ __forceinline__ void load_matrix_x4_trans(u32& a, u32& b, u32& c, u32& d, u32 shared) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "r"(shared) : "memory");
}

// c[16x8] += a[16x16] b[16x8], bf16 operands.
__device__ __forceinline__ void mma_bf16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// ---- the metadata of a step ----------------------------------------------------------------------------------------------------------

// Device pointers, passed by value; the layout mirrors StepUpload.
struct Step {
    const int* ids;          // [tokens]; negative: -1 - i stands for sampled[i], the id that the step before drew
    const int* positions;    // [tokens]
    const int* rope_rows;    // [tokens] row of the rotary tables
    const int* slots;        // [tokens] block * 16 + offset that keys and values go to; -1: padding, written nowhere
    const int* sequence_of;  // [tokens]
    const int* query_start;  // [sequences + 1]
    const int* kv_length;    // [sequences] keys once this step is written; 0: padding
    const int* block_start;  // [sequences + 1] into block_ids
    const int* block_ids;
    const int* logit_rows;   // [logit rows] tokens whose state goes on to the logits
    const int* sampled;      // ids drawn by the step before
};

__device__ __forceinline__ int resolve_id(const Step& step, int id) {
    return id >= 0 ? id : step.sampled[-1 - id];
}
