// Pages of cached keys and values in shared memory and their tensor core fragments: what attention_decode.cu and
// attention_prefill.cu share. A page is one block of one kv head: 16 tokens of HEAD_DIM elements, contiguous in the cache.
//
// Keys and values in bf16 are multiplied as bf16. Those in fp8 are widened to f16 in registers, and queries and probabilities are f16
// too. Widening leaves a lane with four neighbouring dimensions where a bf16 fragment has two pairs eight apart; since a dot product
// does not care for the order of its terms, queries are loaded in that same order (PAIR0, PAIR1) and outputs are stored by it.
//
// Defines: HEAD_DIM, a multiple of 16 up to 256.
#pragma once
#include "prelude.cuh"

#ifdef KV_FP8
constexpr bool FP8 = true;
#else
constexpr bool FP8 = false;
#endif

constexpr int PAGE = 16;
constexpr int ROW_CHUNKS = HEAD_DIM * (int)sizeof(kv_t) / 16;
// ldmatrix reads 16 bytes of 8 rows at once, which must lie in 8 different groups of 4 banks: rows of whole 128 bytes are swizzled,
// others padded to an odd number of chunks.
constexpr bool SWIZZLED = ROW_CHUNKS % 8 == 0;
constexpr int ROW_STRIDE = (SWIZZLED ? ROW_CHUNKS : ROW_CHUNKS | 1) * 16;
constexpr int PAGE_BYTES = PAGE * ROW_STRIDE;
constexpr int DIM_STEPS = HEAD_DIM / 16;
constexpr float LOG2_E = 1.4426950408889634f;

__device__ __forceinline__ float minus_infinity() {
    return __int_as_float(0xff800000);
}

__device__ __forceinline__ u32 chunk_offset(int row, int chunk) {
    return row * ROW_STRIDE + (SWIZZLED ? chunk ^ (row & 7) : chunk) * 16;
}

// Columns within 16 of the two pairs of elements that a lane holds of a row.
__device__ __forceinline__ int pair_column(int lane, int pair) {
    return FP8 ? 4 * (lane & 3) + 2 * pair : 2 * (lane & 3) + 8 * pair;
}

__device__ __forceinline__ u32 pack_operand(float low, float high) {
#ifdef KV_FP8
    u32 packed;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
#else
    return pack_bf16(low, high);
#endif
}

// Two bf16 elements of a query as an operand. f16 ends at 65504: larger queries are cut off there.
__device__ __forceinline__ u32 query_operand(u32 packed) {
#ifdef KV_FP8
    const float low = fminf(fmaxf(low_bf16(packed), -65504.0f), 65504.0f);
    const float high = fminf(fmaxf(high_bf16(packed), -65504.0f), 65504.0f);
    return pack_operand(low, high);
#else
    return packed;
#endif
}

// c[16x8] += a[16x16] b[16x8].
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#ifdef KV_FP8
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    mma_bf16(c, a, b0, b1);
#endif
}

#ifdef KV_FP8
// Bytes `first` and first + 2 of a word, widened to f16.
__device__ __forceinline__ u32 widen(u32 word, u32 selector) {
#if __CUDA_ARCH__ >= 890
    return fp8_to_half2((u16)__byte_perm(word, 0, selector));
#else
    // Sign and the other seven bits moved to f16's places give the value over 2^8, subnormal ones included.
    const u32 bytes = __byte_perm(word, 0, selector);
    const u32 spread = (bytes & 0xffu) << 8 | (bytes & 0xff00u) << 16;
    const u32 halves = (spread & 0x80008000u) | (spread & 0x7f007f00u) >> 1;
    u32 scaled;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(scaled) : "r"(halves), "r"(0x5c005c00u));
    return scaled;
#endif
}

__device__ __forceinline__ void load_matrix_x2(u32& a, u32& b, u32 shared) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(a), "=r"(b) : "r"(shared) : "memory");
}

__device__ __forceinline__ void load_matrix_x2_trans(u32& a, u32& b, u32 shared) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(a), "=r"(b) : "r"(shared) : "memory");
}
#endif

// The keys of a page and dimensions [16 step, 16 step + 16) as operand of scores: b[0], b[1] for tokens 0-7, b[2], b[3] for 8-15.
__device__ __forceinline__ void load_keys(u32 (&b)[4], u32 page, int step, int lane) {
#ifdef KV_FP8
    u32 low, high;
    load_matrix_x2(low, high, page + chunk_offset(lane & 15, step));
    b[0] = widen(low, 0x4410);
    b[1] = widen(low, 0x4432);
    b[2] = widen(high, 0x4410);
    b[3] = widen(high, 0x4432);
#else
    load_matrix_x4(b[0], b[1], b[2], b[3], page + chunk_offset((lane >> 4) * 8 + (lane & 7), 2 * step + (lane >> 3 & 1)));
#endif
}

// The values of a page and dimensions [16 step, 16 step + 16) as operand of outputs: b[0], b[1] for the first 8 columns of the
// output, b[2], b[3] for the others.
__device__ __forceinline__ void load_values(u32 (&b)[4], u32 page, int step, int lane) {
#ifdef KV_FP8
    u32 low, high;
    load_matrix_x2_trans(low, high, page + chunk_offset(lane & 15, step));
    b[0] = widen(low, 0x4420);
    b[1] = widen(high, 0x4420);
    b[2] = widen(low, 0x4431);
    b[3] = widen(high, 0x4431);
#else
    load_matrix_x4_trans(b[0], b[1], b[2], b[3], page + chunk_offset(lane & 15, 2 * step + (lane >> 4)));
#endif
}

// The pair of neighbouring outputs at pair_column of 16 dimensions, from their two accumulators; half 0: the lane's first row.
__device__ __forceinline__ float2 output_pair(const float (&first)[4], const float (&second)[4], int pair, int half) {
    if (FP8) {
        return make_float2(first[2 * half + pair], second[2 * half + pair]);
    }
    return pair == 0 ? make_float2(first[2 * half], first[2 * half + 1]) : make_float2(second[2 * half], second[2 * half + 1]);
}

__device__ __forceinline__ float exp2_approx(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// A scaled score under its soft cap, in units of log 2. tanh by its exponential: tanh.approx is off by 2^-11, too much times a cap.
__device__ __forceinline__ float soft_capped(float score, float scale, float cap) {
    const float twice = exp2_approx(score * (scale * 2.0f * LOG2_E / cap));
    return cap * LOG2_E * (1.0f - __fdividef(2.0f, twice + 1.0f));
}

__device__ __forceinline__ float quad_max(float v) {
    v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
    return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}

__device__ __forceinline__ float quad_sum(float v) {
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    return v + __shfl_xor_sync(0xffffffffu, v, 2);
}
