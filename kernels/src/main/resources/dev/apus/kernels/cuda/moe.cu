// Mixture of experts: which tokens go to which experts, and the sum of what comes back. Nothing here or in gemm.cu needs a size that
// only the device knows: grids cover the worst case and blocks without work leave.
//
//   moe_route     logits -> chosen experts and weights of each token; a pair is token * top_k + slot, slots in ascending expert
//   moe_plan      pairs sorted by expert, and a list of tiles (expert, first position, end) of at most BM pairs
//   moe_gate_up, moe_down    gemm.cu on tensor cores, or the _plain ones below for any size and type
//   moe_combine   out[token] = sum over its slots of weight * expert output, in slot order: ascending experts, whatever the batch
#include "prelude.cuh"

// Experts of one token per warp. The k largest logits, the lower expert first among equals; NaN counts as -infinity.
extern "C" __global__ void __launch_bounds__(128)
moe_route(int* chosen, float* weights, const float* logits, int rows, int experts, int top_k, int over_all) {
    const int lane = threadIdx.x & 31, token = blockIdx.x * 4 + (threadIdx.x >> 5);
    wait_for_previous();
    allow_next();
    if (token >= rows) {
        return;
    }
    const float* row = logits + (i64)token * experts;
    const float infinity = __int_as_float(0x7f800000);
    float last = infinity, highest = 0.0f, my_logit = -infinity;
    int last_expert = -1, mine = 0x7fffffff;
    for (int slot = 0; slot < top_k; slot++) {
        float best = -infinity;
        int best_expert = 0x7fffffff;
        for (int e = lane; e < experts; e += 32) {
            const float v = row[e] == row[e] ? row[e] : -infinity;
            const bool open = v < last || (v == last && e > last_expert);
            if (open && (v > best || best_expert == 0x7fffffff)) {
                best = v;
                best_expert = e;
            }
        }
#pragma unroll
        for (int mask = 16; mask > 0; mask >>= 1) {
            const float v = __shfl_xor_sync(0xffffffffu, best, mask);
            const int e = __shfl_xor_sync(0xffffffffu, best_expert, mask);
            if (e != 0x7fffffff && (best_expert == 0x7fffffff || v > best || (v == best && e < best_expert))) {
                best = v;
                best_expert = e;
            }
        }
        highest = slot == 0 ? best : highest;
        last = best;
        last_expert = best_expert;
        if (lane == slot) {
            mine = best_expert;
            my_logit = best;
        }
    }
    float sum = lane < top_k ? __expf(my_logit - highest) : 0.0f;
    const float score = sum;
    if (over_all) {
        sum = 0.0f;
        for (int e = lane; e < experts; e += 32) {
            sum += row[e] == row[e] ? __expf(row[e] - highest) : 0.0f;
        }
    }
    sum = warp_sum(sum);
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
    for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
        sorted[atomicAdd(&next[chosen[i]], 1)] = i;
    }
}

// out[token][n] = sum over slots of weight * y[pair][n]. Grid: (ceil(n / 256), rows).
extern "C" __global__ void __launch_bounds__(256)
moe_combine(act* out, const act* y, const float* weights, int n, int top_k) {
    const int column = blockIdx.x * 256 + threadIdx.x, token = blockIdx.y;
    wait_for_previous();
    allow_next();
    if (column >= n) {
        return;
    }
    float sum = 0.0f;
    for (int slot = 0; slot < top_k; slot++) {
        const i64 pair = (i64)token * top_k + slot;
        sum = fmaf(weights[pair], to_float(y[pair * n + column]), sum);
    }
    out[(i64)token * n + column] = from_float<act>(sum);
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
