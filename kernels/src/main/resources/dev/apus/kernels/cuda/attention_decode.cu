// Attention of a few query rows over a paged cache: decoding. Bound by the bytes of the cache, so all that matters is to keep enough of
// them in flight: every warp streams pages of its own through its own ring of shared memory with asynchronous copies, and no warp
// waits for another before the end. The query heads of a kv head, times up to 16 / group tokens of the sequence, are the 16 rows of a
// tensor core tile; a few more tokens than that are several items. Long sequences are split over several blocks (work items, built on the host), whose partial results the block that
// arrives last merges (flash decoding).
//
// Defines: HEAD_DIM, WARPS, STAGES (pages in flight per warp), BLOCKS (blocks per multiprocessor to fit registers to), KV_FP8.
#include "attention.cuh"

constexpr int ROWS = 16;
constexpr int THREADS = WARPS * 32;
constexpr int MERGE_STRIDE = HEAD_DIM + 8;  // floats of a row: 8 rows of a store fall into different banks

// Mirrors AttentionPlan: one chunk of the keys that a few tokens of one sequence see.
struct Item {
    int first_query;     // row of qkv of the first token
    int queries;         // tokens, queries * group <= 16, | tokens of the sequence in this step that come before them << 8
    int first_position;  // of the first token
    int block_start;     // of the sequence, in block_ids
    int kv_from;         // multiple of 16
    int kv_to;           // multiple of 16, or the last token's position + 1
    int first_part;      // of these tokens, in the scratch; -1: this is the only chunk
    int part;            // of these tokens' parts: index | count << 16
};

__device__ __forceinline__ void store_pair(act* out, float2 v) {
    *(u32*)out = pack_bf16(v.x, v.y);
}

// Combines the parts of a sequence's chunks for one kv head. All threads of a block take part.
__device__ __forceinline__ void merge_parts(act* out, const float* part_out, const float* part_lse, int first_query, int rows,
    int first_part, int parts, int heads, int kv_heads, int kv_head, int threads) {
    constexpr int BATCH = 16;
    const int group = heads / kv_heads;
    for (int i = threadIdx.x; i < rows * (HEAD_DIM / 4); i += threads) {
        const int row = i / (HEAD_DIM / 4), column = i % (HEAD_DIM / 4) * 4;
        const i64 step = (i64)kv_heads * ROWS;
        const i64 first = (i64)first_part * step + kv_head * ROWS + row;
        // One pass with a running maximum, so that the loads of many parts are under way at once.
        float highest = minus_infinity(), total = 0, x = 0, y = 0, z = 0, w = 0;
        for (int p = 0; p < parts; p += BATCH) {
            float4 v[BATCH];
            float lse[BATCH];
#pragma unroll
            for (int k = 0; k < BATCH; k++) {
                const i64 at = first + min(p + k, parts - 1) * step;
                lse[k] = p + k < parts ? __ldcg(part_lse + at) : minus_infinity();
                v[k] = __ldcg((const float4*)(part_out + at * HEAD_DIM + column));
            }
            float top = highest;
#pragma unroll
            for (int k = 0; k < BATCH; k++) {
                top = fmaxf(top, lse[k]);
            }
            const float base = top == minus_infinity() ? 0.0f : top;
            const float correction = exp2_approx(highest - base);
            highest = top;
            total *= correction;
            x *= correction;
            y *= correction;
            z *= correction;
            w *= correction;
#pragma unroll
            for (int k = 0; k < BATCH; k++) {
                const float weight = exp2_approx(lse[k] - base);
                total += weight;
                x += weight * v[k].x;
                y += weight * v[k].y;
                z += weight * v[k].z;
                w += weight * v[k].w;
            }
        }
        const float inverse = 1.0f / total;
        act* to = out + ((i64)(first_query + row / group) * heads + kv_head * group + row % group) * HEAD_DIM + column;
        *(uint2*)to = make_uint2(pack_bf16(x * inverse, y * inverse), pack_bf16(z * inverse, w * inverse));
    }
}

// Grid (item capacity, kv heads). part_out: [parts, kv_heads, 16, HEAD_DIM], part_lse: [parts, kv_heads, 16] in log2.
// arrived: [parts, kv_heads], zero before and after.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) attention_decode(act* __restrict__ out, const act* __restrict__ qkv,
    const kv_t* __restrict__ keys, const kv_t* __restrict__ values, const int* __restrict__ block_ids,
    const int4* __restrict__ items, const int* __restrict__ item_count, float* part_out, float* part_lse, int* arrived, int heads,
    int kv_heads, float scale, int window, float soft_cap) {
    extern __shared__ __align__(128) u8 shared[];
    allow_next();
    if (blockIdx.x >= *item_count) {
        wait_for_previous();  // else this grid could end before the one that the next one relies on
        return;
    }
    const int4 item_low = items[2 * blockIdx.x], item_high = items[2 * blockIdx.x + 1];
    const Item item = {item_low.x, item_low.y, item_low.z, item_low.w, item_high.x, item_high.y, item_high.z, item_high.w};
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, kv_head = blockIdx.y;
    const int group = heads / kv_heads, rows = (item.queries & 0xff) * group;

    // The ring of this warp: page i of the warp is page warp + WARPS * i of the chunk.
    const int first_page = item.kv_from / PAGE + warp;
    const int chunk_pages = (item.kv_to + PAGE - 1) / PAGE - item.kv_from / PAGE;
    const int pages = (chunk_pages - warp + WARPS - 1) / WARPS;
    const u32 ring = shared_address(shared) + warp * STAGES * 2 * PAGE_BYTES;
    const int* ids = block_ids + item.block_start + first_page;
    int page_ids = lane < pages ? ids[WARPS * lane] : 0;
    const auto issue = [&](int i) {
        if (i < pages) {
            if ((i & 31) == 0 && i > 0) {
                page_ids = i + lane < pages ? ids[WARPS * (i + lane)] : 0;
            }
            const i64 at = ((i64)__shfl_sync(0xffffffffu, page_ids, i & 31) * kv_heads + kv_head) * PAGE * HEAD_DIM * sizeof(kv_t);
            const u32 to = ring + i % STAGES * 2 * PAGE_BYTES;
            const int tokens = item.kv_to - (first_page + WARPS * i) * PAGE;  // later ones are not written: zeros
#pragma unroll
            for (int chunk = lane; chunk < PAGE * ROW_CHUNKS; chunk += 32) {
                const int row = chunk / ROW_CHUNKS;
                const u32 offset = chunk_offset(row, chunk % ROW_CHUNKS);
                copy_async(to + offset, (const u8*)keys + at + chunk * 16, row < tokens);
                copy_async(to + PAGE_BYTES + offset, (const u8*)values + at + chunk * 16, row < tokens);
            }
        }
        copy_commit();
    };
    // Pages that this step does not write can be fetched while the kernels before still run.
    const int written_from = item.first_position - (item.queries >> 8);
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        if ((first_page + WARPS * i + 1) * PAGE > written_from) {
            wait_for_previous();
        }
        issue(i);
    }
    wait_for_previous();

    // Rows of this lane: lane / 4 and lane / 4 + 8.
    u32 query[DIM_STEPS][4];
    int position[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = lane / 4 + 8 * half;
        const bool valid = row < rows;
        position[half] = valid ? item.first_position + row / group : -1;
        const act* from = qkv + (i64)(item.first_query + row / group) * (heads + 2 * kv_heads) * HEAD_DIM
            + (kv_head * group + row % group) * HEAD_DIM;
#pragma unroll
        for (int step = 0; step < DIM_STEPS; step++) {
#pragma unroll
            for (int pair = 0; pair < 2; pair++) {
                query[step][half + 2 * pair] =
                    valid ? query_operand(*(const u32*)(from + 16 * step + pair_column(lane, pair))) : 0;
            }
        }
    }

    float output[2 * DIM_STEPS][4] = {};
    float highest[2] = {minus_infinity(), minus_infinity()}, total[2] = {0, 0};
    const float factor = scale * LOG2_E;
    for (int i = 0; i < pages; i++) {
        copy_wait<STAGES - 2>();
        __syncwarp();
        issue(i + STAGES - 1);
        const u32 page = ring + i % STAGES * 2 * PAGE_BYTES;
        // Even and odd steps apart: a chain of products half as long.
        float score[2][4] = {}, odd[2][4] = {};
#pragma unroll
        for (int step = 0; step < DIM_STEPS; step++) {
            u32 b[4];
            load_keys(b, page, step, lane);
            multiply(step & 1 ? odd[0] : score[0], query[step], b[0], b[1]);
            multiply(step & 1 ? odd[1] : score[1], query[step], b[2], b[3]);
        }
#pragma unroll
        for (int j = 0; j < 8; j++) {
            score[j >> 2][j & 3] += odd[j >> 2][j & 3];
        }
        const int token = (first_page + WARPS * i) * PAGE + 2 * (lane & 3);
        float correction[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int from = window > 0 ? position[half] - window : -1;
            float top = highest[half];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float& s = score[j >> 1][2 * half + (j & 1)];
                const int t = token + 8 * (j >> 1) + (j & 1);
                s = soft_cap > 0 ? soft_capped(s, scale, soft_cap) : s * factor;
                s = t <= position[half] && t > from ? s : minus_infinity();
                top = fmaxf(top, s);
            }
            top = quad_max(top);
            const float base = top == minus_infinity() ? 0.0f : top;
            correction[half] = exp2_approx(highest[half] - base);
            highest[half] = top;
            float sum = 0;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float& s = score[j >> 1][2 * half + (j & 1)];
                s = exp2_approx(s - base);
                sum += s;
            }
            total[half] = total[half] * correction[half] + sum;
        }
        if (__any_sync(0xffffffffu, correction[0] != 1.0f || correction[1] != 1.0f)) {
#pragma unroll
            for (int n = 0; n < 2 * DIM_STEPS; n++) {
                output[n][0] *= correction[0];
                output[n][1] *= correction[0];
                output[n][2] *= correction[1];
                output[n][3] *= correction[1];
            }
        }
        const u32 weights[4] = {pack_operand(score[0][0], score[0][1]), pack_operand(score[0][2], score[0][3]),
            pack_operand(score[1][0], score[1][1]), pack_operand(score[1][2], score[1][3])};
#pragma unroll
        for (int step = 0; step < DIM_STEPS; step++) {
            u32 b[4];
            load_values(b, page + PAGE_BYTES, step, lane);
            multiply(output[2 * step], weights, b[0], b[1]);
            multiply(output[2 * step + 1], weights, b[2], b[3]);
        }
        __syncwarp();
    }

    // The warps' results meet in shared memory, over the rings.
    copy_wait<0>();
    __syncthreads();
    float* outputs = (float*)shared;                        // [WARPS][16][MERGE_STRIDE]
    float* maxima = outputs + WARPS * ROWS * MERGE_STRIDE;  // [WARPS][16]
    float* sums = maxima + WARPS * ROWS;                    // [WARPS][16]
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = lane / 4 + 8 * half;
        const float sum = quad_sum(total[half]);
        if (row < rows) {
            float* to = outputs + (warp * ROWS + row) * MERGE_STRIDE;
#pragma unroll
            for (int step = 0; step < DIM_STEPS; step++) {
#pragma unroll
                for (int pair = 0; pair < 2; pair++) {
                    *(float2*)(to + 16 * step + pair_column(lane, pair)) =
                        output_pair(output[2 * step], output[2 * step + 1], pair, half);
                }
            }
            if ((lane & 3) == 0) {
                maxima[warp * ROWS + row] = highest[half];
                sums[warp * ROWS + row] = sum;
            }
        }
    }
    __syncthreads();
    const int part = item.part & 0xffff, parts = item.part >> 16;
    const i64 scratch = ((i64)(item.first_part + part) * kv_heads + kv_head) * ROWS;
    for (int i = threadIdx.x; i < rows * (HEAD_DIM / 4); i += THREADS) {
        const int row = i / (HEAD_DIM / 4), column = i % (HEAD_DIM / 4) * 4;
        float top = minus_infinity();
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            top = fmaxf(top, maxima[w * ROWS + row]);
        }
        const float base = top == minus_infinity() ? 0.0f : top;
        float sum = 0, x = 0, y = 0, z = 0, t = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            const float weight = exp2_approx(maxima[w * ROWS + row] - base);
            const float4 v = *(const float4*)(outputs + (w * ROWS + row) * MERGE_STRIDE + column);
            sum += weight * sums[w * ROWS + row];
            x += weight * v.x;
            y += weight * v.y;
            z += weight * v.z;
            t += weight * v.w;
        }
        const float inverse = sum > 0 ? 1.0f / sum : 0.0f;
        x *= inverse;
        y *= inverse;
        z *= inverse;
        t *= inverse;
        if (item.first_part < 0) {
            act* to = out + ((i64)(item.first_query + row / group) * heads + kv_head * group + row % group) * HEAD_DIM + column;
            *(uint2*)to = make_uint2(pack_bf16(x, y), pack_bf16(z, t));
        } else {
            __stcg((float4*)(part_out + (scratch + row) * HEAD_DIM + column), make_float4(x, y, z, t));
            if (column == 0) {
                __stcg(part_lse + scratch + row, base + __log2f(sum));
            }
        }
    }
    if (item.first_part < 0) {
        return;
    }
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0) {
        // Release: what all threads of this block stored before the barrier; acquire: what the other blocks released.
        int* counter = arrived + item.first_part * kv_heads + kv_head;
        int before;
        asm volatile("atom.add.acq_rel.gpu.global.s32 %0, [%1], 1;" : "=r"(before) : "l"(counter) : "memory");
        last = before == parts - 1;
        if (last) {
            *counter = 0;
        }
    }
    __syncthreads();
    if (last) {
        merge_parts(out, part_out, part_lse, item.first_query, rows, item.first_part, parts, heads, kv_heads, kv_head, THREADS);
    }
}
