// Linear layers of a few rows on tensor cores without staging W: out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias, bf16.
//
// W is the M = 16 operand of mma.m16n8k16 and the rows of x are its columns. A product over k does not care for the order of k as long
// as both operands agree, so a lane may hold eight neighbouring k of a row, one 16-byte load straight from global memory, where the
// instruction's picture shows four pairs: no shared memory, no ldmatrix. The warps of a block split k of one tile of 16 rows and add up
// in shared memory in a fixed order; the next batch of loads is under way while one is multiplied, across the end of a tile too.
//
// Needs k % 8 == 0 and 16-byte aligned x and W. Dynamic shared memory: direct_shared(rows, k).
// Defines: STEPS (32 k each, of a batch), WARPS, TILES (8 rows of x each).
#include "prelude.cuh"

#ifndef STEPS
#define STEPS 4
#endif
#ifndef WARPS
#define WARPS 16
#endif
#ifndef AHEAD
#define AHEAD 0
#endif
#ifndef TILES
#define TILES 1
#endif

constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else bf16
constexpr int BATCH_K = 32 * STEPS;
constexpr int COLUMNS = 8 * TILES;

#ifndef ACT_F32
__device__ __forceinline__ void store_linear(void* out, i64 at, float value, int flags) {
    if (flags & OUT_F32) {
        float* p = (float*)out + at;
        *p = flags & ACCUMULATE ? *p + value : value;
    } else {
        act* p = (act*)out + at;
        *p = from_float<act>(flags & ACCUMULATE ? to_float(*p) + value : value);
    }
}

// Asks L2 for bytes that will be read soon; both a multiple of 16.
__device__ __forceinline__ void prefetch_l2(const void* address, u32 bytes) {
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(address), "r"(bytes));
#endif
}

// The lane's part of a tile's batch: rows g and g + 8, eight k of each step.
__device__ __forceinline__ void load_tile(uint4 (&low)[STEPS], uint4 (&high)[STEPS], const act* w, int tile, int from, int n, int k) {
    const int g = (threadIdx.x & 31) >> 2, at = from + (threadIdx.x & 3) * 8;
    const act* first = w + (i64)min(tile * 16 + g, n - 1) * k + at;
    const act* second = w + (i64)min(tile * 16 + g + 8, n - 1) * k + at;
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const bool inside = at + s * 32 < k;
        low[s] = inside ? load_once(first + s * 32) : make_uint4(0, 0, 0, 0);
        high[s] = inside ? load_once(second + s * 32) : make_uint4(0, 0, 0, 0);
    }
}

// x[rows][width] in shared memory, zeros from k to width; a row's length is 64 bytes off a multiple of 128, so that the eight lanes of
// a 16-byte access phase meet different banks.
extern "C" __global__ void __launch_bounds__(WARPS * 32)
linear_direct(void* out, const act* x, const act* w, const float* bias, int rows, int n, int k, int flags) {
    extern __shared__ uint4 memory[];
    __shared__ float partial[2][WARPS][COLUMNS][16];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    const int tiles = (n + 15) / 16, width = (k + BATCH_K - 1) / BATCH_K * BATCH_K, pitch = width / 8 + 4;
    int tile = blockIdx.x, from = warp * BATCH_K, buffer = 0;
    uint4 low[STEPS], high[STEPS];
    if (tile < tiles && from < k) {
        load_tile(low, high, w, tile, from, n, k);
    }
    if (AHEAD > 0 && threadIdx.x < 16 * AHEAD) {
        const int row = (tile + (threadIdx.x / 16) * gridDim.x) * 16 + threadIdx.x % 16;
        if (row < n) {
            prefetch_l2(w + (i64)row * k, k * 2);
        }
    }
    wait_for_previous();
    allow_next();
    for (int r = 0; r < rows; r++) {
        for (int i = threadIdx.x; i < width / 8; i += WARPS * 32) {
            memory[r * pitch + i] = i * 8 < k ? ((const uint4*)(x + (i64)r * k))[i] : make_uint4(0, 0, 0, 0);
        }
    }
    __syncthreads();
    float c[TILES][4] = {};
    while (tile < tiles) {
        int next_tile = tile, next_from = from + WARPS * BATCH_K;
        if (next_from >= k) {
            next_from = warp * BATCH_K;
            next_tile += gridDim.x;
        }
        uint4 now_low[STEPS], now_high[STEPS];
        const bool busy = from < k;
#pragma unroll
        for (int s = 0; s < STEPS; s++) {
            now_low[s] = low[s];
            now_high[s] = high[s];
        }
        if (next_tile < tiles && busy) {
            load_tile(low, high, w, next_tile, next_from, n, k);
        }
        if (busy) {
#pragma unroll
            for (int s = 0; s < STEPS; s++) {
                const u32 first[4] = {now_low[s].x, now_high[s].x, now_low[s].y, now_high[s].y};
                const u32 second[4] = {now_low[s].z, now_high[s].z, now_low[s].w, now_high[s].w};
#pragma unroll
                for (int j = 0; j < TILES; j++) {
                    const int r = j * 8 + g;
                    uint4 b = make_uint4(0, 0, 0, 0);
                    if (r < rows) {
                        b = memory[r * pitch + (from + s * 32) / 8 + t];
                    }
                    mma_bf16(c[j], first, b.x, b.y);
                    mma_bf16(c[j], second, b.z, b.w);
                }
            }
        }
        if (next_tile != tile) {
#pragma unroll
            for (int j = 0; j < TILES; j++) {
                partial[buffer][warp][j * 8 + t * 2][g] = c[j][0];
                partial[buffer][warp][j * 8 + t * 2 + 1][g] = c[j][1];
                partial[buffer][warp][j * 8 + t * 2][g + 8] = c[j][2];
                partial[buffer][warp][j * 8 + t * 2 + 1][g + 8] = c[j][3];
                c[j][0] = c[j][1] = c[j][2] = c[j][3] = 0.0f;
            }
            __syncthreads();
            for (int i = threadIdx.x; i < 16 * rows; i += WARPS * 32) {
                const int row = tile * 16 + (i & 15);
                float sum = 0.0f;
#pragma unroll
                for (int v = 0; v < WARPS; v++) {
                    sum += partial[buffer][v][i >> 4][i & 15];
                }
                if (row < n) {
                    store_linear(out, (i64)(i >> 4) * n + row, sum + (bias ? bias[row] : 0.0f), flags);
                }
            }
            buffer ^= 1;
        }
        tile = next_tile;
        from = next_from;
    }
}
#endif
