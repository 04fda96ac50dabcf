// Tiled bf16 products on tensor cores for many rows: linear layers where no library is at hand, and the experts of a mixture.
//
// A block computes BM rows by BN columns of x W^T; stages of 64 k come in by cp.async, swizzled so that ldmatrix meets no bank twice.
// Rows of x may be gathered through a list (experts), and W may be read as interleaved gate and up rows so that a lane holds both of
// an output and applies the gate in registers.
//
// Needs k % 8 == 0 and 16-byte aligned x and W. Dynamic shared memory: STAGES * (BM + BN) * 128 bytes.
// Defines: BM, BN, WARPS_M, WARPS_N, STAGES.
#include "prelude.cuh"

#ifndef BM
#define BM 128
#endif
#ifndef BN
#define BN 128
#endif
#ifndef WARPS_M
#define WARPS_M 2
#endif
#ifndef WARPS_N
#define WARPS_N 4
#endif
#ifndef STAGES
#define STAGES 4
#endif

constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else bf16
constexpr int THREADS = 32 * WARPS_M * WARPS_N;
constexpr int BK = 64;                       // a row of a stage is 128 bytes: eight chunks of 16
constexpr int MT = BM / WARPS_M / 16;        // m16 tiles of a warp
constexpr int NT = BN / WARPS_N / 8;         // n8 tiles of a warp
constexpr int PASS = THREADS / 8;            // rows that the block's threads load at once
constexpr int ROW_PASSES = (BM + PASS - 1) / PASS, COLUMN_PASSES = (BN + PASS - 1) / PASS;
constexpr u32 STAGE_BYTES = (BM + BN) * 128;

#ifndef ACT_F32

// Rows of x and of W that a thread loads; negative: none, zeros.
struct Sources {
    int row[ROW_PASSES];
    int column[COLUMN_PASSES];
};

__device__ __forceinline__ u32 chunk_address(u32 base, int row, int chunk) {
    return base + row * 128 + ((chunk ^ (row & 7)) << 4);
}

__device__ __forceinline__ void load_stage(u32 stage, const act* x, const act* w, const Sources& from, int k0, int k) {
    const int r = threadIdx.x >> 3, chunk = threadIdx.x & 7, at = k0 + chunk * 8;
#pragma unroll
    for (int i = 0; i < ROW_PASSES; i++) {
        const bool valid = from.row[i] >= 0 && at < k;
        if (BM % PASS == 0 || r + i * PASS < BM) {
            copy_async(chunk_address(stage, r + i * PASS, chunk), x + (valid ? (i64)from.row[i] * k + at : 0), valid);
        }
    }
#pragma unroll
    for (int i = 0; i < COLUMN_PASSES; i++) {
        const bool valid = from.column[i] >= 0 && at < k;
        if (BN % PASS == 0 || r + i * PASS < BN) {
            copy_async(chunk_address(stage + BM * 128, r + i * PASS, chunk), w + (valid ? (i64)from.column[i] * k + at : 0), valid);
        }
    }
}

__device__ __forceinline__ void multiply_stage(float (&c)[MT][NT][4], u32 stage) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int m0 = warp / WARPS_N * (MT * 16), n0 = warp % WARPS_N * (NT * 8);
#pragma unroll
    for (int step = 0; step < BK / 16; step++) {
        u32 a[MT][4], b[NT][2];
#pragma unroll
        for (int i = 0; i < MT; i++) {
            load_matrix_x4(a[i][0], a[i][1], a[i][2], a[i][3], chunk_address(stage, m0 + i * 16 + (lane & 15), step * 2 + (lane >> 4)));
        }
#pragma unroll
        for (int j = 0; j < NT; j += 2) {
            const int row = n0 + j * 8 + (lane & 7) + ((lane >> 4) << 3);
            load_matrix_x4(b[j][0], b[j][1], b[j + 1][0], b[j + 1][1], chunk_address(stage + BM * 128, row, step * 2 + ((lane >> 3) & 1)));
        }
#pragma unroll
        for (int i = 0; i < MT; i++) {
#pragma unroll
            for (int j = 0; j < NT; j++) {
                mma_bf16(c[i][j], a[i], b[j][0], b[j][1]);
            }
        }
    }
}

// The product of the block's tile. W is requested before x, which the kernels in front may still be writing.
__device__ __forceinline__ void product(float (&c)[MT][NT][4], const act* x, const act* w, const Sources& from, int k) {
    extern __shared__ __align__(128) u8 stages[];
    const u32 base = shared_address(stages);
    const int steps = (k + BK - 1) / BK;
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            load_stage(base + s * STAGE_BYTES, x, w, from, s * BK, k);
        }
        copy_commit();
    }
    for (int s = 0; s < steps; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        const int ahead = s + STAGES - 1;
        if (ahead < steps) {
            load_stage(base + ahead % STAGES * STAGE_BYTES, x, w, from, ahead * BK, k);
        }
        copy_commit();
        multiply_stage(c, base + s % STAGES * STAGE_BYTES);
    }
}

// Grid: (ceil(rows / BM), ceil(n / BN)): blocks that share rows of W run together.
extern "C" __global__ void __launch_bounds__(THREADS)
linear_tiled(void* out, const act* x, const act* w, const float* bias, int rows, int n, int k, int flags) {
    const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN;
    Sources from;
#pragma unroll
    for (int i = 0; i < ROW_PASSES; i++) {
        const int r = m0 + (threadIdx.x >> 3) + i * PASS;
        from.row[i] = r < rows ? r : -1;
    }
#pragma unroll
    for (int i = 0; i < COLUMN_PASSES; i++) {
        const int r = n0 + (threadIdx.x >> 3) + i * PASS;
        from.column[i] = r < n ? r : -1;
    }
    wait_for_previous();
    allow_next();
    float c[MT][NT][4] = {};
    product(c, x, w, from, k);
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
    for (int i = 0; i < MT; i++) {
#pragma unroll
        for (int j = 0; j < NT; j++) {
#pragma unroll
            for (int v = 0; v < 4; v++) {
                const int row = m0 + warp / WARPS_N * (MT * 16) + i * 16 + (lane >> 2) + (v >> 1) * 8;
                const int column = n0 + warp % WARPS_N * (NT * 8) + j * 8 + (lane & 3) * 2 + (v & 1);
                if (row < rows && column < n) {
                    const i64 at = (i64)row * n + column;
                    float sum = c[i][j][v] + (bias ? bias[column] : 0.0f);
                    if (flags & ACCUMULATE) {
                        sum += flags & OUT_F32 ? ((float*)out)[at] : to_float(((act*)out)[at]);
                    }
                    if (flags & OUT_F32) {
                        ((float*)out)[at] = sum;
                    } else {
                        ((act*)out)[at] = from_float<act>(sum);
                    }
                }
            }
        }
    }
}

// ---- experts: see moe.cu for the plan -------------------------------------------------------------------------------------------

__device__ __forceinline__ float activate(float x, int kind) {
    switch (kind) {
        case 0:
            return x / (1.0f + __expf(-x));
        case 1:
            return 0.5f * x * (1.0f + erff(x * 0.70710678f));
        case 2:
            return x / (1.0f + __expf(-1.5957691216f * (x + 0.044715f * x * x * x)));
        case 3:
            return fmaxf(x, 0.0f);
        default:
            return x > 0.0f ? x * x : 0.0f;
    }
}

// inner[position][i] = activation(x[pair / top_k] gate_i) * (x up_i) for the pairs of the plan's tiles.
// Grid: (tiles at most, ceil(2 * inner_size / BN)).
extern "C" __global__ void __launch_bounds__(THREADS)
moe_gate_up(act* inner, const act* x, const act* const* weights, const float* const* biases, const int* tiles, const int* sorted, int top_k, int inner_size, int k, int activation) {
    wait_for_previous();
    allow_next();
    if (blockIdx.x >= tiles[0]) {
        return;
    }
    const int expert = tiles[1 + 3 * blockIdx.x], first = tiles[2 + 3 * blockIdx.x], end = tiles[3 + 3 * blockIdx.x];
    const int i0 = blockIdx.y * (BN / 2);
    Sources from;
#pragma unroll
    for (int i = 0; i < ROW_PASSES; i++) {
        const int p = first + (threadIdx.x >> 3) + i * PASS;
        from.row[i] = p < end && (threadIdx.x >> 3) + i * PASS < BM ? sorted[p] / top_k : -1;
    }
#pragma unroll
    for (int i = 0; i < COLUMN_PASSES; i++) {
        const int r = (threadIdx.x >> 3) + i * PASS, column = i0 + r / 16 * 8 + r % 8;  // eight gate rows, the same eight up rows
        from.column[i] = column < inner_size ? column + (r & 8 ? inner_size : 0) : -1;
    }
    float c[MT][NT][4] = {};
    product(c, x, weights[expert], from, k);
    const float* bias = biases ? biases[expert] : nullptr;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
    for (int i = 0; i < MT; i++) {
#pragma unroll
        for (int j = 0; j < NT; j += 2) {
#pragma unroll
            for (int v = 0; v < 4; v++) {
                const int p = first + warp / WARPS_N * (MT * 16) + i * 16 + (lane >> 2) + (v >> 1) * 8;
                const int column = i0 + warp % WARPS_N * (NT * 4) + j * 4 + (lane & 3) * 2 + (v & 1);
                if (p < end && column < inner_size) {
                    const float gate = c[i][j][v] + (bias ? bias[column] : 0.0f);
                    const float up = c[i][j + 1][v] + (bias ? bias[inner_size + column] : 0.0f);
                    inner[(i64)p * inner_size + column] = from_float<act>(activate(gate, activation) * up);
                }
            }
        }
    }
}

// out[pair][n] = inner[position] down^T for the pairs of the plan's tiles. Grid: (tiles at most, ceil(n / BN)).
extern "C" __global__ void __launch_bounds__(THREADS)
moe_down(act* out, const act* inner, const act* const* weights, const float* const* biases, const int* tiles, const int* sorted, int n, int k) {
    wait_for_previous();
    allow_next();
    if (blockIdx.x >= tiles[0]) {
        return;
    }
    const int expert = tiles[1 + 3 * blockIdx.x], first = tiles[2 + 3 * blockIdx.x], end = tiles[3 + 3 * blockIdx.x];
    const int n0 = blockIdx.y * BN;
    Sources from;
#pragma unroll
    for (int i = 0; i < ROW_PASSES; i++) {
        const int p = first + (threadIdx.x >> 3) + i * PASS;
        from.row[i] = p < end && (threadIdx.x >> 3) + i * PASS < BM ? p : -1;
    }
#pragma unroll
    for (int i = 0; i < COLUMN_PASSES; i++) {
        const int r = n0 + (threadIdx.x >> 3) + i * PASS;
        from.column[i] = r < n ? r : -1;
    }
    float c[MT][NT][4] = {};
    product(c, inner, weights[expert], from, k);
    const float* bias = biases ? biases[expert] : nullptr;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
    for (int i = 0; i < MT; i++) {
#pragma unroll
        for (int v = 0; v < 4; v += 2) {
            const int p = first + warp / WARPS_N * (MT * 16) + i * 16 + (lane >> 2) + (v >> 1) * 8;
            const i64 row = p < end ? (i64)sorted[p] * n : -1;
#pragma unroll
            for (int j = 0; j < NT; j++) {
                const int column = n0 + warp % WARPS_N * (NT * 8) + j * 8 + (lane & 3) * 2;
                for (int h = 0; h < 2; h++) {
                    if (row >= 0 && column + h < n) {
                        out[row + column + h] = from_float<act>(c[i][j][v + h] + (bias ? bias[column + h] : 0.0f));
                    }
                }
            }
        }
    }
}
#endif
