// Attention of any geometry and type, as its definition reads: float32 models, heads of odd sizes. Right rather than fast, and what the
// other kernels are checked against on the device. One block computes one query head of one token, in tiles of as many keys as it has
// threads: scores thread by thread, then outputs dimension by dimension.
//
// Defines: ACT_F32, KV_FP8.
#include "prelude.cuh"

constexpr int THREADS = 128;

__device__ __forceinline__ float cached(float v) {
    return v;
}

__device__ __forceinline__ float cached(bf16 v) {
    return to_float(v);
}

// e4m3 by its bits, for every architecture.
__device__ __forceinline__ float cached(fp8 v) {
    const int exponent = v.bits >> 3 & 15, mantissa = v.bits & 7;
    const float magnitude = exponent == 0 ? mantissa * 0.001953125f  // 2^-9
                                          : __int_as_float((exponent + 120) << 23 | mantissa << 20);
    return v.bits & 0x80 ? -magnitude : magnitude;
}

__device__ __forceinline__ float block_max(float v) {
    __shared__ float partial[THREADS / 32];
    v = warp_max(v);
    if ((threadIdx.x & 31) == 0) {
        partial[threadIdx.x >> 5] = v;
    }
    __syncthreads();
    v = partial[0];
#pragma unroll
    for (int i = 1; i < THREADS / 32; i++) {
        v = fmaxf(v, partial[i]);
    }
    __syncthreads();
    return v;
}

// Grid (token capacity, heads). Dynamic shared memory: query and sums, 2 * head_dim floats. Rows of slot -1 are left as they are.
extern "C" __global__ void __launch_bounds__(THREADS) attention_any(act* __restrict__ out, const act* __restrict__ qkv,
    const kv_t* __restrict__ keys, const kv_t* __restrict__ values, Step step, int heads, int kv_heads, int head_dim, float scale,
    int window, float soft_cap) {
    extern __shared__ float query[];
    __shared__ float weights[THREADS];
    float* sums = query + head_dim;
    allow_next();
    wait_for_previous();
    const int t = blockIdx.x, head = blockIdx.y;
    if (step.slots[t] < 0) {
        return;
    }
    const int* ids = step.block_ids + step.block_start[step.sequence_of[t]];
    const int last = step.positions[t], kv_head = head / (heads / kv_heads);
    const act* from = qkv + ((i64)t * (heads + 2 * kv_heads) + head) * head_dim;
    for (int i = threadIdx.x; i < head_dim; i += THREADS) {
        query[i] = to_float(from[i]);
        sums[i] = 0;
    }
    __syncthreads();
    float highest = __int_as_float(0xff800000), total = 0;
    const auto row_of = [&](int p) { return (((i64)ids[p >> 4] * kv_heads + kv_head) * 16 + (p & 15)) * head_dim; };
    for (int tile = window > 0 ? max(0, last - window + 1) : 0; tile <= last; tile += THREADS) {
        const int p = tile + threadIdx.x, count = min(THREADS, last + 1 - tile);
        float score = __int_as_float(0xff800000);
        if (p <= last) {
            const kv_t* key = keys + row_of(p);
            float sum = 0;
            for (int i = 0; i < head_dim; i++) {
                sum += query[i] * cached(key[i]);
            }
            score = sum * scale;
            score = soft_cap > 0 ? soft_cap * tanhf(score / soft_cap) : score;
        }
        const float top = fmaxf(highest, block_max(score));
        const float correction = expf(highest - top), weight = expf(score - top);
        highest = top;
        weights[threadIdx.x] = weight;
        total = total * correction + block_sum(weight);  // its barriers publish the weights
        for (int i = threadIdx.x; i < head_dim; i += THREADS) {
            float sum = sums[i] * correction;
            for (int k = 0; k < count; k++) {
                sum += weights[k] * cached(values[row_of(tile + k) + i]);
            }
            sums[i] = sum;
        }
        __syncthreads();
    }
    for (int i = threadIdx.x; i < head_dim; i += THREADS) {
        out[((i64)t * heads + head) * head_dim + i] = from_float<act>(sums[i] / total);
    }
}
