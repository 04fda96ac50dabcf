// Linear layers of one to four rows: out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias. Bound by reading W once.
//
// A warp owns a row of W at a time and walks it in batches of BATCH 16-byte loads a lane; the next batch is under way while one is
// multiplied, across the end of a row too, so that the memory system never runs dry. Rows are dealt to the blocks like cards: every
// multiprocessor gets the same number to within one. The first batch is requested before the kernels in front have finished, since
// nothing of a step writes weights. x lies in shared memory.
//
// Needs k * sizeof(act) % 16 == 0 and 16-byte aligned x and W; dynamic shared memory: rows * k * sizeof(act).
// Defines: BATCH, WARPS; with the defaults two blocks fit a multiprocessor, which is the fastest on an H200 by a little. Asking L2 for
// the rows after the first while waiting was tried and costs up to a quarter.
#include "prelude.cuh"

#ifndef BATCH
#define BATCH 4
#endif
#ifndef WARPS
#define WARPS 16
#endif

constexpr int LANE_ACTS = 16 / sizeof(act);

// Flags of the epilogue.
constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else act

__device__ __forceinline__ float dot(const uint4& w, const uint4& x, float sum) {
    const u32 a[4] = {w.x, w.y, w.z, w.w}, b[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
#ifdef ACT_F32
        sum = fmaf(__uint_as_float(a[i]), __uint_as_float(b[i]), sum);
#else
        sum = fmaf(low_bf16(a[i]), low_bf16(b[i]), sum);
        sum = fmaf(high_bf16(a[i]), high_bf16(b[i]), sum);
#endif
    }
    return sum;
}

__device__ __forceinline__ void store_linear(void* out, i64 at, float value, int flags) {
    if (flags & OUT_F32) {
        float* p = (float*)out + at;
        *p = flags & ACCUMULATE ? *p + value : value;
    } else {
        act* p = (act*)out + at;
        *p = from_float<act>(flags & ACCUMULATE ? to_float(*p) + value : value);
    }
}

__device__ __forceinline__ void load_batch(uint4 (&batch)[BATCH], const uint4* row, int from, int chunks) {
#pragma unroll
    for (int i = 0; i < BATCH; i++) {
        const int at = from + i * 32;
        batch[i] = at < chunks ? load_once(row + at) : make_uint4(0, 0, 0, 0);
    }
}

template <int ROWS>
__device__ __forceinline__ void gemv(void* out, const act* x, const act* w, const float* bias, int n, int k, int flags) {
    extern __shared__ uint4 xs[];  // [ROWS][chunks]
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int chunks = k / LANE_ACTS, stride = gridDim.x * WARPS;
    const uint4* weights = (const uint4*)w;
    int row = warp * gridDim.x + blockIdx.x, from = 0;
    uint4 next[BATCH];
    if (row < n) {
        load_batch(next, weights + (i64)row * chunks, lane, chunks);
    }
    wait_for_previous();
    allow_next();
    for (int i = threadIdx.x; i < ROWS * chunks; i += WARPS * 32) {
        xs[i] = ((const uint4*)x)[i];
    }
    __syncthreads();
    float sum[ROWS] = {};
    while (row < n) {
        uint4 now[BATCH];
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            now[i] = next[i];
        }
        int next_row = row, next_from = from + 32 * BATCH;
        if (next_from >= chunks) {
            next_from = 0;
            next_row += stride;
        }
        if (next_row < n) {
            load_batch(next, weights + (i64)next_row * chunks, next_from + lane, chunks);
        }
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            const int at = from + i * 32 + lane;
            if (at < chunks) {
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    sum[r] = dot(now[i], xs[r * chunks + at], sum[r]);
                }
            }
        }
        if (next_from == 0) {
            float mine = 0.0f;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const float total = warp_sum(sum[r]);
                mine = lane == r ? total : mine;
                sum[r] = 0.0f;
            }
            if (lane < ROWS) {
                store_linear(out, (i64)lane * n + row, mine + (bias ? bias[row] : 0.0f), flags);
            }
        }
        row = next_row;
        from = next_from;
    }
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, 2)
linear_gemv_1(void* out, const act* x, const act* w, const float* bias, int n, int k, int flags) {
    gemv<1>(out, x, w, bias, n, k, flags);
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, 2)
linear_gemv_2(void* out, const act* x, const act* w, const float* bias, int n, int k, int flags) {
    gemv<2>(out, x, w, bias, n, k, flags);
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, 2)
linear_gemv_3(void* out, const act* x, const act* w, const float* bias, int n, int k, int flags) {
    gemv<3>(out, x, w, bias, n, k, flags);
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, 2)
linear_gemv_4(void* out, const act* x, const act* w, const float* bias, int n, int k, int flags) {
    gemv<4>(out, x, w, bias, n, k, flags);
}
