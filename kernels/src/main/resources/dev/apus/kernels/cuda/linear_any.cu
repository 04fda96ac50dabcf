// Linear layers of any shape, alignment and type: out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias. Right rather than fast: for tiny models
// and odd sizes, where the other linear kernels do not apply.
#include "prelude.cuh"

constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else act
constexpr int TILE = 32;       // rows and columns of a block, and k of a stage

__device__ __forceinline__ void store_linear(void* out, i64 at, float value, int flags) {
    if (flags & OUT_F32) {
        float* p = (float*)out + at;
        *p = flags & ACCUMULATE ? *p + value : value;
    } else {
        act* p = (act*)out + at;
        *p = from_float<act>(flags & ACCUMULATE ? to_float(*p) + value : value);
    }
}

// Grid: (ceil(n / 32), ceil(rows / 32)); a thread computes four rows of one column, each summed in ascending k.
extern "C" __global__ void __launch_bounds__(256)
linear_any(void* out, const act* x, const act* w, const float* bias, int rows, int n, int k, int flags) {
    __shared__ float xs[TILE][TILE + 1], ws[TILE][TILE + 1];
    const int column = threadIdx.x & 31, group = threadIdx.x >> 5;
    const int n0 = blockIdx.x * TILE, row0 = blockIdx.y * TILE;
    float sum[4] = {};
    wait_for_previous();
    allow_next();
    for (int k0 = 0; k0 < k; k0 += TILE) {
        for (int i = group; i < TILE; i += 8) {
            const bool inside = k0 + column < k;
            xs[i][column] = inside && row0 + i < rows ? to_float(x[(i64)(row0 + i) * k + k0 + column]) : 0.0f;
            ws[i][column] = inside && n0 + i < n ? to_float(w[(i64)(n0 + i) * k + k0 + column]) : 0.0f;
        }
        __syncthreads();
#pragma unroll 8
        for (int i = 0; i < TILE; i++) {
            const float weight = ws[column][i];
#pragma unroll
            for (int r = 0; r < 4; r++) {
                sum[r] = fmaf(xs[group + 8 * r][i], weight, sum[r]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        const int row = row0 + group + 8 * r;
        if (row < rows && n0 + column < n) {
            store_linear(out, (i64)row * n + n0 + column, sum[r] + (bias ? bias[n0 + column] : 0.0f), flags);
        }
    }
}

// out[rows, n] (=|+=) bias: what a library's product is then added to. Grid: (ceil(n / 256), rows).
extern "C" __global__ void __launch_bounds__(256)
linear_bias(void* out, const float* bias, int n, int flags) {
    const int column = blockIdx.x * 256 + threadIdx.x;
    wait_for_previous();
    allow_next();
    if (column < n) {
        store_linear(out, (i64)blockIdx.y * n + column, bias[column], flags);
    }
}
