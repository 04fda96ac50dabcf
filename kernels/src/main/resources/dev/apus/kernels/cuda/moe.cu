// Mixture of experts: which tokens go to which experts, and the sum of what comes back. Nothing here or in gemm.cu needs a size that
// only the device knows: grids cover the worst case and blocks without work leave.
//
//   moe_route     logits -> chosen experts and weights of each token; a pair is token * top_k + slot, slots in ascending expert
//   moe_plan      pairs sorted by expert, and a list of tiles (expert, first position, end) of at most BM pairs
//   moe_gate_up, moe_down    gemm.cu on tensor cores, or the _plain ones below for any size and type
//   moe_combine   out[token] = sum over its slots of weight * expert output, in slot order: ascending experts, whatever the batch
#include "prelude.cuh"

// Experts of a token that a lane looks after: 512 in all.
constexpr int LANE_EXPERTS = 16;

// Orders like the float; 0 is below all. NaN counts as -infinity.
__device__ __forceinline__ u32 ordered(float v) {
    const u32 bits = __float_as_uint(v == v ? v : __uint_as_float(0xff800000u));
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float unordered(u32 key) {
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// Experts of one token per warp: the top_k <= 32 largest logits, the lower expert first among equals.
extern "C" __global__ void __launch_bounds__(128)
moe_route(int* chosen, float* weights, const float* logits, int rows, int experts, int top_k, int over_all) {
    const int lane = threadIdx.x & 31, token = blockIdx.x * 4 + (threadIdx.x >> 5);
    wait_for_previous();
    allow_next();
    if (token >= rows) {
        return;
    }
    u32 key[LANE_EXPERTS];
#pragma unroll
    for (int i = 0; i < LANE_EXPERTS; i++) {
        const int e = i * 32 + lane;
        key[i] = e < experts ? ordered(logits[(i64)token * experts + e]) : 0;
    }
    float all = 0.0f, highest = 0.0f, my_logit = 0.0f;
    int mine = 0x7fffffff;
    for (int slot = 0; slot < top_k; slot++) {
        u32 best = 0, best_expert = 0;
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; i++) {
            best_expert = key[i] > best ? i * 32 + lane : best_expert;
            best = max(best, key[i]);
        }
        const u32 top = __reduce_max_sync(0xffffffffu, best);
        const u32 winner = __reduce_min_sync(0xffffffffu, best == top ? best_expert : 0x7fffffffu);
        if (slot == 0) {
            highest = unordered(top);
#pragma unroll
            for (int i = 0; i < LANE_EXPERTS; i++) {
                all += key[i] ? __expf(unordered(key[i]) - highest) : 0.0f;
            }
        }
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; i++) {
            key[i] = winner == i * 32 + lane ? 0 : key[i];
        }
        if (lane == slot) {
            mine = winner;
            my_logit = unordered(top);
        }
    }
    const float score = lane < top_k ? __expf(my_logit - highest) : 0.0f;
    const float sum = warp_sum(over_all ? all : score);
    int rank = 0;
    for (int i = 0; i < top_k; i++) {
        rank += __shfl_sync(0xffffffffu, mine, i) < mine;
    }
    if (lane < top_k) {
        chosen[token * top_k + rank] = mine;
        weights[token * top_k + rank] = score / sum;
    }
}

// One block. sorted[position] = pair, by expert; tiles[0] = number of tiles, then (expert, first, end) each.
// Where a pair lies among those of its expert is left to chance: rows of a product do not depend on their place.
// Dynamic shared memory: 2 * experts ints.
extern "C" __global__ void __launch_bounds__(1024)
moe_plan(int* sorted, int* tiles, const int* chosen, int pairs, int experts, int tile_rows) {
    extern __shared__ int counts[];  // [experts] pairs of an expert, then [experts] next free position
    int* next = counts + experts;
    for (int e = threadIdx.x; e < experts; e += blockDim.x) {
        counts[e] = 0;
    }
    __syncthreads();
    wait_for_previous();
    allow_next();
#pragma unroll 8
    for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
        atomicAdd(&counts[chosen[i]], 1);
    }
    __syncthreads();
    if (threadIdx.x < 32) {
        int position = 0, tile = 0;
        for (int e0 = 0; e0 < experts; e0 += 32) {
            const int e = e0 + threadIdx.x, count = e < experts ? counts[e] : 0, mine = (count + tile_rows - 1) / tile_rows;
            int positions = count, tile_sum = mine;
#pragma unroll
            for (int d = 1; d < 32; d <<= 1) {
                const int p = __shfl_up_sync(0xffffffffu, positions, d), t = __shfl_up_sync(0xffffffffu, tile_sum, d);
                if (threadIdx.x >= d) {
                    positions += p;
                    tile_sum += t;
                }
            }
            const int first = position + positions - count, tile0 = tile + tile_sum - mine;
            if (e < experts) {
                next[e] = first;
                for (int t = 0; t < mine; t++) {
                    int* entry = tiles + 1 + 3 * (tile0 + t);
                    entry[0] = e;
                    entry[1] = first + t * tile_rows;
                    entry[2] = min(first + (t + 1) * tile_rows, first + count);
                }
            }
            position += __shfl_sync(0xffffffffu, positions, 31);
            tile += __shfl_sync(0xffffffffu, tile_sum, 31);
        }
        if (threadIdx.x == 0) {
            tiles[0] = tile;
        }
    }
    __syncthreads();
#pragma unroll 8
    for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
        sorted[atomicAdd(&next[chosen[i]], 1)] = i;
    }
}

// out[token][n] = sum over slots of weight * y[pair][n], WIDTH columns a thread. Grid: (ceil(n / (256 WIDTH)), rows).
template <int WIDTH> __device__ __forceinline__ void combine(act* out, const act* y, const float* weights, int n, int top_k) {
    struct __align__(WIDTH * sizeof(act)) Columns {
        act of[WIDTH];
    };
    const int column = (blockIdx.x * 256 + threadIdx.x) * WIDTH;
    const i64 token = blockIdx.y;
    wait_for_previous();
    allow_next();
    if (column >= n) {
        return;
    }
    float sum[WIDTH] = {};
#pragma unroll 4
    for (int slot = 0; slot < top_k; slot++) {
        const float weight = weights[token * top_k + slot];
        const Columns c = *(const Columns*)(y + (token * top_k + slot) * n + column);
#pragma unroll
        for (int i = 0; i < WIDTH; i++) {
            sum[i] = fmaf(weight, to_float(c.of[i]), sum[i]);
        }
    }
    Columns c;
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
        c.of[i] = from_float<act>(sum[i]);
    }
    *(Columns*)(out + token * n + column) = c;
}

// For n % 4 == 0 and aligned rows.
extern "C" __global__ void __launch_bounds__(256)
moe_combine_4(act* out, const act* y, const float* weights, int n, int top_k) {
    combine<4>(out, y, weights, n, top_k);
}

extern "C" __global__ void __launch_bounds__(256)
moe_combine_1(act* out, const act* y, const float* weights, int n, int top_k) {
    combine<1>(out, y, weights, n, top_k);
}

// ---- any size and type --------------------------------------------------------------------------------------------------------------

constexpr int TILE = 32;  // pairs of a tile, columns of a block and k of a stage

__device__ __forceinline__ float activate(float x, int kind) {
    switch (kind) {
        case 0:
            return x / (1.0f + expf(-x));
        case 1:
            return 0.5f * x * (1.0f + erff(x * 0.70710678f));
        case 2:
            return x / (1.0f + expf(-1.5957691216f * (x + 0.044715f * x * x * x)));
        case 3:
            return fmaxf(x, 0.0f);
        default:
            return x > 0.0f ? x * x : 0.0f;
    }
}

// sum[part][r] = x[source[group + 8 r]] . w[part * n + n0 + column], in ascending k.
template <int PARTS>
__device__ __forceinline__ void plain_product(float (&sum)[PARTS][4], const act* x, const act* w, const int* source, int n0, int n, int k) {
    __shared__ float xs[TILE][TILE + 1], ws[PARTS][TILE][TILE + 1];
    const int column = threadIdx.x & 31, group = threadIdx.x >> 5;
    for (int k0 = 0; k0 < k; k0 += TILE) {
        for (int i = group; i < TILE; i += 8) {
            const bool inside = k0 + column < k;
            xs[i][column] = inside && source[i] >= 0 ? to_float(x[(i64)source[i] * k + k0 + column]) : 0.0f;
#pragma unroll
            for (int p = 0; p < PARTS; p++) {
                ws[p][i][column] = inside && n0 + i < n ? to_float(w[(i64)(p * n + n0 + i) * k + k0 + column]) : 0.0f;
            }
        }
        __syncthreads();
#pragma unroll 4
        for (int i = 0; i < TILE; i++) {
#pragma unroll
            for (int p = 0; p < PARTS; p++) {
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    sum[p][r] = fmaf(xs[group + 8 * r][i], ws[p][column][i], sum[p][r]);
                }
            }
        }
        __syncthreads();
    }
}

// moe_gate_up for tiles of 32 pairs. Grid: (tiles at most, ceil(inner_size / 32)), 256 threads.
extern "C" __global__ void __launch_bounds__(256)
moe_gate_up_plain(act* inner, const act* x, const act* const* weights, const float* const* biases, const int* tiles, const int* sorted, int top_k, int inner_size, int k, int activation) {
    __shared__ int source[TILE];
    wait_for_previous();
    allow_next();
    if (blockIdx.x >= tiles[0]) {
        return;
    }
    const int expert = tiles[1 + 3 * blockIdx.x], first = tiles[2 + 3 * blockIdx.x], end = tiles[3 + 3 * blockIdx.x];
    if (threadIdx.x < TILE) {
        source[threadIdx.x] = first + threadIdx.x < end ? sorted[first + threadIdx.x] / top_k : -1;
    }
    __syncthreads();
    const int n0 = blockIdx.y * TILE, column = n0 + (threadIdx.x & 31), group = threadIdx.x >> 5;
    float sum[2][4] = {};
    plain_product(sum, x, weights[expert], source, n0, inner_size, k);
    const float* bias = biases ? biases[expert] : nullptr;
    for (int r = 0; r < 4; r++) {
        const int p = first + group + 8 * r;
        if (p < end && column < inner_size) {
            const float gate = sum[0][r] + (bias ? bias[column] : 0.0f);
            const float up = sum[1][r] + (bias ? bias[inner_size + column] : 0.0f);
            inner[(i64)p * inner_size + column] = from_float<act>(activate(gate, activation) * up);
        }
    }
}

// moe_down for tiles of 32 pairs. Grid: (tiles at most, ceil(n / 32)), 256 threads.
extern "C" __global__ void __launch_bounds__(256)
moe_down_plain(act* out, const act* inner, const act* const* weights, const float* const* biases, const int* tiles, const int* sorted, int n, int k) {
    __shared__ int source[TILE];
    wait_for_previous();
    allow_next();
    if (blockIdx.x >= tiles[0]) {
        return;
    }
    const int expert = tiles[1 + 3 * blockIdx.x], first = tiles[2 + 3 * blockIdx.x], end = tiles[3 + 3 * blockIdx.x];
    if (threadIdx.x < TILE) {
        source[threadIdx.x] = first + threadIdx.x < end ? first + threadIdx.x : -1;
    }
    __syncthreads();
    const int n0 = blockIdx.y * TILE, column = n0 + (threadIdx.x & 31), group = threadIdx.x >> 5;
    float sum[1][4] = {};
    plain_product(sum, inner, weights[expert], source, n0, n, k);
    const float* bias = biases ? biases[expert] : nullptr;
    for (int r = 0; r < 4; r++) {
        const int p = first + group + 8 * r;
        if (p < end && column < n) {
            out[(i64)sorted[p] * n + column] = from_float<act>(sum[0][r] + (bias ? bias[column] : 0.0f));
        }
    }
}
