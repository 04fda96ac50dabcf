// Attention of prompts over a paged cache (FlashAttention-2, https://arxiv.org/abs/2307.08691, with mma.sync): a block takes 128 rows of
// one kv head, a row being one query head of one token, and passes over its keys in tiles of 64 tokens. A warp owns 16 or 32 rows: 32,
// where the registers allow it, halve the shared memory traffic, which would bound it otherwise. Prompts may begin behind cached keys
// (chunked prefill, prefix cache). Blocks read their tile from a work list, the longest first.
//
// Defines: HEAD_DIM, TILE_PAGES, KV_FP8.
#include "attention.cuh"

constexpr int ROWS = 128;
constexpr int ROW_TILES = HEAD_DIM <= 128 ? 2 : 1;  // of 16 rows per warp
constexpr int WARPS = ROWS / (16 * ROW_TILES);
constexpr int THREADS = WARPS * 32;
constexpr int PAGES = TILE_PAGES;
constexpr int TILE = PAGES * PAGE;
constexpr int TILE_BYTES = PAGES * PAGE_BYTES;
// Queries are two bytes an element whatever the cache holds.
constexpr int QUERY_CHUNKS = HEAD_DIM / 8;
constexpr bool QUERY_SWIZZLED = QUERY_CHUNKS % 8 == 0;
constexpr int QUERY_STRIDE = (QUERY_SWIZZLED ? QUERY_CHUNKS : QUERY_CHUNKS | 1) * 16;
constexpr int QUERY_BYTES = ROWS * QUERY_STRIDE;

// Mirrors AttentionPlan: 128 rows of one sequence.
struct Tile {
    int first_query;     // row of qkv of the sequence's first token in this step
    int queries;         // tokens of the sequence in this step
    int first_position;  // of the first token
    int block_start;     // of the sequence, in block_ids
    int first_row;       // of the tile, among the sequence's queries * group
};

__device__ __forceinline__ u32 query_offset(int row, int chunk) {
    return row * QUERY_STRIDE + (QUERY_SWIZZLED ? chunk ^ (row & 7) : chunk) * 16;
}

__device__ __forceinline__ void load_query(u32 (&a)[4], const u8* shared, u32 address, int row, int step, int lane) {
#ifdef KV_FP8
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
        for (int pair = 0; pair < 2; pair++) {
            const int column = 16 * step + pair_column(lane, pair);
            a[half + 2 * pair] = *(const u32*)(shared + query_offset(row + lane / 4 + 8 * half, column / 8) + column % 8 * 2);
        }
    }
#else
    load_matrix_x4(a[0], a[1], a[2], a[3], address + query_offset(row + (lane & 15), 2 * step + (lane >> 4)));
#endif
}

// Grid (tile capacity, kv heads). Dynamic shared memory: queries, then two tiles of keys and two of values.
extern "C" __global__ void __launch_bounds__(THREADS, HEAD_DIM <= 128 ? 2 : 1) attention_prefill(act* __restrict__ out,
    const act* __restrict__ qkv, const kv_t* __restrict__ keys, const kv_t* __restrict__ values, const int* __restrict__ block_ids,
    const int4* __restrict__ tiles, const int* __restrict__ tile_count, int heads, int kv_heads, float scale, int window,
    float soft_cap) {
    extern __shared__ __align__(128) u8 shared[];
    allow_next();
    if (blockIdx.x >= *tile_count) {
        wait_for_previous();  // else this grid could end before the one that the next one relies on
        return;
    }
    const int4 low = tiles[2 * blockIdx.x];
    const Tile tile = {low.x, low.y, low.z, low.w, tiles[2 * blockIdx.x + 1].x};
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, kv_head = blockIdx.y;
    const int group = heads / kv_heads, rows = min(ROWS, tile.queries * group - tile.first_row);
    const int first_position = tile.first_position + tile.first_row / group;
    const int last_position = tile.first_position + (tile.first_row + rows - 1) / group;
    const int kv_from = window > 0 ? max(0, first_position - window + 1) / TILE * TILE : 0;
    const int kv_to = last_position + 1;
    const u32 query_at = shared_address(shared), kv_at = query_at + QUERY_BYTES;
    const int* ids = block_ids + tile.block_start;
    wait_for_previous();

    for (int i = threadIdx.x; i < ROWS * QUERY_CHUNKS; i += THREADS) {
        const int row = i / QUERY_CHUNKS, chunk = i % QUERY_CHUNKS, r = tile.first_row + row;
        const act* from = qkv + ((i64)(tile.first_query + r / group) * (heads + 2 * kv_heads) + kv_head * group + r % group) * HEAD_DIM;
#ifdef KV_FP8
        uint4 v = row < rows ? *(const uint4*)(from + chunk * 8) : make_uint4(0, 0, 0, 0);
        *(uint4*)(shared + query_offset(row, chunk)) =
            make_uint4(query_operand(v.x), query_operand(v.y), query_operand(v.z), query_operand(v.w));
#else
        copy_async(query_at + query_offset(row, chunk), row < rows ? from + chunk * 8 : qkv, row < rows);
#endif
    }
    const auto issue = [&](const kv_t* cache, u32 to, int token) {
#pragma unroll 1
        for (int i = threadIdx.x; i < TILE * ROW_CHUNKS; i += THREADS) {
            const int row = i / ROW_CHUNKS, chunk = i % ROW_CHUNKS, t = token + row;
            const bool valid = t < kv_to;
            const i64 at = valid ? (((i64)__ldg(ids + t / PAGE) * kv_heads + kv_head) * PAGE + t % PAGE) * ROW_CHUNKS + chunk : 0;
            copy_async(to + row / PAGE * PAGE_BYTES + chunk_offset(row % PAGE, chunk), (const u8*)cache + at * 16, valid);
        }
        copy_commit();
    };
    issue(keys, kv_at, kv_from);
    issue(values, kv_at + 2 * TILE_BYTES, kv_from);

    float output[ROW_TILES][2 * DIM_STEPS][4] = {};
    float highest[ROW_TILES][2], total[ROW_TILES][2];
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            highest[m][half] = minus_infinity();
            total[m][half] = 0;
        }
    }
    const float factor = scale * LOG2_E;
    int stage = 0;
    for (int token = kv_from; token < kv_to; token += TILE, stage ^= 1) {
        copy_wait<1>();  // keys of this tile
        __syncthreads();
        // The other stage is free: all warps have passed the tile before.
        if (token + TILE < kv_to) {
            issue(keys, kv_at + (stage ^ 1) * TILE_BYTES, token + TILE);
        } else {
            copy_commit();
        }
        float score[ROW_TILES][2 * PAGES][4] = {};
#pragma unroll
        for (int step = 0; step < DIM_STEPS; step++) {
            u32 a[ROW_TILES][4];
#pragma unroll
            for (int m = 0; m < ROW_TILES; m++) {
                load_query(a[m], shared, query_at, (warp * ROW_TILES + m) * 16, step, lane);
            }
#pragma unroll
            for (int p = 0; p < PAGES; p++) {
                u32 b[4];
                load_keys(b, kv_at + stage * TILE_BYTES + p * PAGE_BYTES, step, lane);
#pragma unroll
                for (int m = 0; m < ROW_TILES; m++) {
                    multiply(score[m][2 * p], a[m], b[0], b[1]);
                    multiply(score[m][2 * p + 1], a[m], b[2], b[3]);
                }
            }
        }
        const bool masked = token + TILE > first_position + 1 || (window > 0 && token <= last_position - window);
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                if (soft_cap > 0) {
#pragma unroll
                    for (int j = 0; j < 4 * PAGES; j++) {
                        float& s = score[m][j >> 1][2 * half + (j & 1)];
                        s = soft_capped(s, scale, soft_cap);
                    }
                }
                if (masked) {
                    // Rows past the last one compute something that is not stored.
                    const int row = tile.first_row + (warp * ROW_TILES + m) * 16 + lane / 4 + 8 * half;
                    const int to = tile.first_position + row / group, from = window > 0 ? to - window : -1;
#pragma unroll
                    for (int j = 0; j < 4 * PAGES; j++) {
                        const int t = token + 8 * (j >> 1) + 2 * (lane & 3) + (j & 1);
                        float& s = score[m][j >> 1][2 * half + (j & 1)];
                        s = t <= to && t > from ? s : minus_infinity();
                    }
                }
                // Scores stay as they came: their factor is part of the exponential's multiply-add.
                const float unit = soft_cap > 0 ? 1.0f : factor;
                float top = highest[m][half];
#pragma unroll
                for (int j = 0; j < 4 * PAGES; j++) {
                    top = fmaxf(top, score[m][j >> 1][2 * half + (j & 1)]);
                }
                top = quad_max(top);
                const float base = top == minus_infinity() ? 0.0f : top * unit;
                const float correction = exp2_approx(highest[m][half] * unit - base);
                highest[m][half] = top;
                float sum = 0;
#pragma unroll
                for (int j = 0; j < 4 * PAGES; j++) {
                    float& s = score[m][j >> 1][2 * half + (j & 1)];
                    s = exp2_approx(s * unit - base);
                    sum += s;
                }
                total[m][half] = total[m][half] * correction + sum;
                if (__any_sync(0xffffffffu, correction != 1.0f)) {
#pragma unroll
                    for (int n = 0; n < 2 * DIM_STEPS; n++) {
                        output[m][n][2 * half] *= correction;
                        output[m][n][2 * half + 1] *= correction;
                    }
                }
            }
        }
        u32 weights[ROW_TILES][PAGES][4];
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
            for (int j = 0; j < 4 * PAGES; j++) {
                const float(&s)[4] = score[m][j >> 1];
                weights[m][j >> 2][j & 3] = pack_operand(s[2 * (j & 1)], s[2 * (j & 1) + 1]);
            }
        }
        copy_wait<1>();  // values of this tile
        __syncthreads();
        if (token + TILE < kv_to) {
            issue(values, kv_at + (2 + (stage ^ 1)) * TILE_BYTES, token + TILE);
        } else {
            copy_commit();
        }
#pragma unroll
        for (int p = 0; p < PAGES; p++) {
#pragma unroll
            for (int step = 0; step < DIM_STEPS; step++) {
                u32 b[4];
                load_values(b, kv_at + (2 + stage) * TILE_BYTES + p * PAGE_BYTES, step, lane);
#pragma unroll
                for (int m = 0; m < ROW_TILES; m++) {
                    multiply(output[m][2 * step], weights[m][p], b[0], b[1]);
                    multiply(output[m][2 * step + 1], weights[m][p], b[2], b[3]);
                }
            }
        }
    }
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = (warp * ROW_TILES + m) * 16 + lane / 4 + 8 * half, r = tile.first_row + row;
            const float inverse = 1.0f / quad_sum(total[m][half]);
            if (row < rows) {
                act* to = out + ((i64)(tile.first_query + r / group) * heads + kv_head * group + r % group) * HEAD_DIM;
#pragma unroll
                for (int step = 0; step < DIM_STEPS; step++) {
#pragma unroll
                    for (int pair = 0; pair < 2; pair++) {
                        const float2 v = output_pair(output[m][2 * step], output[m][2 * step + 1], pair, half);
                        *(u32*)(to + 16 * step + pair_column(lane, pair)) = pack_bf16(v.x * inverse, v.y * inverse);
                    }
                }
            }
        }
    }
}
