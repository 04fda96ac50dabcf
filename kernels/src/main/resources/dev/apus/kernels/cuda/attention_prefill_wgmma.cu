// Attention of prompts over a paged cache with Hopper's warpgroup instructions (FlashAttention-3, https://arxiv.org/abs/2407.08608): bf16,
// heads of 128. A block takes 128 rows of one kv head, a row being one query head of one token, and passes over its keys in tiles of 128
// tokens. One warpgroup gathers pages into shared memory, 128-byte swizzled as wgmma reads them; two others own 64 rows each. While a
// warpgroup computes the exponentials of a tile, its product of the tile before and the other warpgroup's products keep the tensor
// cores busy; named barriers hold the two in alternation.
//
// Defines: none. For sm_90a only.
#include "prelude.cuh"

constexpr int HEAD_DIM = 128;
constexpr int ROWS = 128;
constexpr int TILE = 128;
constexpr int PAGE = 16;
constexpr int GROUP_THREADS = 128;  // of a warpgroup
constexpr int THREADS = 3 * GROUP_THREADS;
constexpr int HALF_BYTES = 128 * 128;           // 64 dimensions of 128 rows
constexpr int MATRIX_BYTES = 2 * HALF_BYTES;    // queries, or a tile of keys or values
constexpr int CONSUMER_WARPS = 8;
constexpr float LOG2_E = 1.4426950408889634f;
constexpr int STAGES = 3;                       // tiles of keys, and of values
// Barriers, in this order behind the matrices.
constexpr int KEYS_FULL = 0, VALUES_FULL = STAGES, KEYS_FREE = 2 * STAGES, VALUES_FREE = 3 * STAGES, BARRIERS = 4 * STAGES;

__device__ __forceinline__ void barrier_init(u32 barrier, int count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

__device__ __forceinline__ void barrier_arrive(u32 barrier) {
    asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives once this thread's asynchronous copies so far are done.
__device__ __forceinline__ void barrier_arrive_copied(u32 barrier) {
    asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void barrier_wait(u32 barrier, int parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra finished;\n"
        "bra again;\n"
        "finished:\n"
        "}\n" ::"r"(barrier),
        "r"(parity)
        : "memory");
}

// Makes what threads wrote to shared memory visible to wgmma.
__device__ __forceinline__ void fence_async() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Named barriers 1 and 2 keep the order of the two consumer warpgroups, 3 and 4 join a warpgroup.
__device__ __forceinline__ void named_sync(int id, int threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void named_arrive(int id, int threads) {
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ void wgmma_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void wgmma_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <int PENDING> __device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

// Descriptor of a 128-byte swizzled matrix of rows of 128 bytes: 8 rows are 1024 bytes; `leading` bytes lead to the next 64 columns
// where columns are the outer dimension of the product (values), else it is not read.
__device__ __forceinline__ u64 matrix(u32 shared, int leading) {
    return (u64)(shared >> 4 & 0x3fff) | (u64)(leading >> 4) << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

// d[64x128] = (accumulate ? d : 0) + a[64x16] b[128x16]^T, both in shared memory, dimensions innermost.
__device__ __forceinline__ void multiply_keys(float (&d)[64], u64 a, u64 b, int accumulate) {
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "setp.ne.b32 p, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
        "}, %64, %65, p, 1, 1, 0, 0;\n"
        "}\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
        : "l"(a), "l"(b), "r"(accumulate));
}

// d[64x128] += a[64x16] b[16x128], a in registers, b in shared memory with dimensions innermost.
__device__ __forceinline__ void multiply_values(float (&d)[64], u32 a0, u32 a1, u32 a2, u32 a3, u64 b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
        "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b));
}

__device__ __forceinline__ float exp2_approx(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ float quad_max(float v) {
    v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
    return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}

__device__ __forceinline__ float quad_sum(float v) {
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

// Swaps this lane's `high` with the `low` of the lane at `distance` if this is the lower one, and the other way round.
__device__ __forceinline__ void exchange(u32& low, u32& high, bool upper, int distance) {
    const u32 got = __shfl_xor_sync(0xffffffffu, upper ? low : high, distance);
    (upper ? low : high) = got;
}

__device__ __forceinline__ u32 swizzled(int row, int chunk) {
    return (chunk >> 3) * HALF_BYTES + row * 128 + ((chunk & 7) ^ (row & 7)) * 16;
}

// What a lane keeps of its two rows, lane / 4 and lane / 4 + 8 of its warp's 16.
struct Softmax {
    float highest[2];
    float total[2];
    float correction[2];
    int position[2];

    // Scores of the tile at `token` become weights; what was summed up before is to be multiplied by `correction`.
    __device__ __forceinline__ void update(float (&s)[64], int token, bool masked, int window, float factor) {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            if (masked) {
                const int to = position[half], from = window > 0 ? to - window : -1;
#pragma unroll
                for (int j = 0; j < 32; j++) {
                    const int t = token + (j >> 1) * 8 + 2 * (lane & 3) + (j & 1);
                    float& v = s[(j >> 1) * 4 + 2 * half + (j & 1)];
                    v = t <= to && t > from ? v : __int_as_float(0xff800000);
                }
            }
            float top = highest[half];
#pragma unroll
            for (int j = 0; j < 32; j++) {
                top = fmaxf(top, s[(j >> 1) * 4 + 2 * half + (j & 1)]);
            }
            top = quad_max(top);
            const float base = top == __int_as_float(0xff800000) ? 0.0f : top * factor;
            correction[half] = exp2_approx(highest[half] * factor - base);
            highest[half] = top;
            float sum = 0;
#pragma unroll
            for (int j = 0; j < 32; j++) {
                float& v = s[(j >> 1) * 4 + 2 * half + (j & 1)];
                v = exp2_approx(v * factor - base);
                sum += v;
            }
            total[half] = total[half] * correction[half] + sum;
        }
    }
};

// Mirrors AttentionPlan: 128 rows of one sequence.
struct Tile {
    int first_query;     // row of qkv of the sequence's first token in this step
    int queries;         // tokens of the sequence in this step
    int first_position;  // of the first token
    int block_start;     // of the sequence, in block_ids
    int first_row;       // of the tile, among the sequence's queries * group
};

// Division by the query heads of a kv head: exact for dividends below 2^32 / divisor.
struct Divider {
    int divisor;
    u32 inverse;  // 2^32 / divisor, rounded up; 0: the divisor is 1

    __device__ __forceinline__ explicit Divider(int d) : divisor(d), inverse(d == 1 ? 0 : 0xffffffffu / d + 1) {}

    __device__ __forceinline__ int divide(int x) const {
        return inverse == 0 ? x : (int)__umulhi(x, inverse);
    }
};

// A place in a ring, and how often the ring has been gone through, modulo 2.
struct Place {
    int stage;
    int round;

    __device__ __forceinline__ void advance() {
        stage++;
        if (stage == STAGES) {
            stage = 0;
            round ^= 1;
        }
    }
};

// Where a row's query head begins in a matrix of `width` heads a token.
__device__ __forceinline__ i64 row_at(const Tile& tile, const Divider& group, int row, int width, int kv_head) {
    const int r = tile.first_row + row, token = group.divide(r);
    return ((i64)(tile.first_query + token) * width + kv_head * group.divisor + r - token * group.divisor) * HEAD_DIM;
}

// Fills the ring with keys and values of tokens [kv_from, kv_to).
__device__ __forceinline__ void produce(u32 keys_at, u32 values_at, u32 barriers, const bf16* keys, const bf16* values, const int* ids,
    int kv_from, int kv_to, int kv_heads, int kv_head) {
    // A thread copies chunk thread % 16 of rows thread / 16 + 8 i.
    const int thread = threadIdx.x & (GROUP_THREADS - 1), chunk = thread & 15, first_row = thread >> 4;
    const i64 page_elements = (i64)kv_heads * PAGE * HEAD_DIM;
    const i64 first = (i64)kv_head * PAGE * HEAD_DIM + first_row * HEAD_DIM + chunk * 8;
    const u32 offset = swizzled(first_row, chunk);
    Place place = {0, 1};
    for (int token = kv_from; token < kv_to; token += TILE, place.advance()) {
        const int stage = place.stage;
        i64 page_at[TILE / PAGE];
#pragma unroll
        for (int p = 0; p < TILE / PAGE; p++) {
            page_at[p] = token + p * PAGE < kv_to ? __ldg(ids + token / PAGE + p) * page_elements + first : first;
        }
        const auto fill = [&](u32 to, const bf16* cache, u32 full, u32 free) {
            barrier_wait(free, place.round);
#pragma unroll
            for (int i = 0; i < TILE / 8; i++) {
                copy_async(to + offset + i * 1024, cache + page_at[i >> 1] + (i & 1) * 8 * HEAD_DIM, token + first_row + 8 * i < kv_to);
            }
            barrier_arrive_copied(full);
        };
        fill(keys_at + stage * MATRIX_BYTES, keys, barriers + 8 * (KEYS_FULL + stage), barriers + 8 * (KEYS_FREE + stage));
        fill(values_at + stage * MATRIX_BYTES, values, barriers + 8 * (VALUES_FULL + stage), barriers + 8 * (VALUES_FREE + stage));
    }
}

// Grid (tile capacity, kv heads). Dynamic shared memory: queries, the rings of keys and of values, barriers, and 1024 to align.
extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_prefill_wgmma(act* __restrict__ out, const act* __restrict__ qkv,
    const kv_t* __restrict__ keys, const kv_t* __restrict__ values, const int* __restrict__ block_ids, const int4* __restrict__ tiles,
    const int* __restrict__ tile_count, int heads, int kv_heads, float scale, int window, float soft_cap) {
    extern __shared__ u8 shared[];
    allow_next();
    if (blockIdx.x >= *tile_count) {
        wait_for_previous();  // else this grid could end before the one that the next one relies on
        return;
    }
    const int4 low = tiles[2 * blockIdx.x];
    const Tile tile = {low.x, low.y, low.z, low.w, tiles[2 * blockIdx.x + 1].x};
    const Divider group(heads / kv_heads);
    const int kv_head = blockIdx.y, rows = min(ROWS, tile.queries * group.divisor - tile.first_row);
    const int first_position = tile.first_position + group.divide(tile.first_row);
    const int last_position = tile.first_position + group.divide(tile.first_row + rows - 1);
    const int kv_from = window > 0 ? max(0, first_position - window + 1) / TILE * TILE : 0;
    const int kv_to = last_position + 1;
    const u32 query_at = (shared_address(shared) + 1023) & ~1023u;
    const u32 keys_at = query_at + MATRIX_BYTES, values_at = keys_at + STAGES * MATRIX_BYTES, barriers = values_at + STAGES * MATRIX_BYTES;
    if (threadIdx.x == 0) {
        for (int i = 0; i < BARRIERS; i++) {
            barrier_init(barriers + 8 * i, i < KEYS_FREE ? GROUP_THREADS : CONSUMER_WARPS);
        }
    }
    __syncthreads();
    wait_for_previous();
    // 40 + 2 * 232 registers times 128 threads fill the file.
    if (threadIdx.x < GROUP_THREADS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        produce(keys_at, values_at, barriers, keys, values, block_ids + tile.block_start, kv_from, kv_to, kv_heads, kv_head);
        asm volatile("cp.async.wait_all;" ::: "memory");
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    const int consumer = (threadIdx.x >> 7) - 1, thread = threadIdx.x & (GROUP_THREADS - 1), lane = thread & 31;
    const int warp_row = 64 * consumer + (thread >> 5) * 16;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int row = 64 * consumer + (thread >> 4) + 8 * i, chunk = thread & 15;
        const bool valid = row < rows;
        const act* from = qkv + row_at(tile, group, row, heads + 2 * kv_heads, kv_head);
        copy_async(query_at + swizzled(row, chunk), valid ? from + chunk * 8 : qkv, valid);
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
    fence_async();
    named_sync(3 + consumer, GROUP_THREADS);

    Softmax softmax;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = warp_row + lane / 4 + 8 * half;
        softmax.position[half] = row < rows ? tile.first_position + group.divide(tile.first_row + row) : -1;
        softmax.highest[half] = __int_as_float(0xff800000);
        softmax.total[half] = 0;
    }
    const float factor = scale * LOG2_E;
    const u64 query = matrix(query_at + consumer * 64 * 128, 0);
    float score[64], output[64];
    u32 weights[32];
    // Steps of 16 dimensions: 32 bytes within 64 dimensions, then the other half.
    const auto multiply_tile_keys = [&](int stage) {
        const u64 tile_keys = matrix(keys_at + stage * MATRIX_BYTES, 0);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < HEAD_DIM / 16; step++) {
            const u64 at = (step >> 2) * (HALF_BYTES >> 4) + (step & 3) * 2;
            multiply_keys(score, query + at, tile_keys + at, step > 0);
        }
        wgmma_commit();
    };
    const auto multiply_tile_values = [&](int stage) {
        const u64 tile_values = matrix(values_at + stage * MATRIX_BYTES, HALF_BYTES);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < TILE / 16; step++) {
            multiply_values(output, weights[4 * step], weights[4 * step + 1], weights[4 * step + 2], weights[4 * step + 3],
                tile_values + step * (16 * 128 >> 4));
        }
        wgmma_commit();
    };
    const auto release = [&](u32 barrier) {
        __syncwarp();
        if (lane == 0) {
            barrier_arrive(barrier);
        }
    };
    const auto masked = [&](int token) { return token + TILE > first_position + 1 || (window > 0 && token <= last_position - window); };
    const auto pack = [&] {
#pragma unroll
        for (int i = 0; i < 32; i++) {
            weights[i] = pack_bf16(score[2 * i], score[2 * i + 1]);
        }
    };

#pragma unroll
    for (int i = 0; i < 64; i++) {
        output[i] = 0;
    }
    barrier_wait(barriers + 8 * KEYS_FULL, 0);
    fence_async();
    multiply_tile_keys(0);
    wgmma_wait<0>();
    release(barriers + 8 * KEYS_FREE);
    softmax.update(score, kv_from, masked(kv_from), window, factor);
    pack();
    if (consumer == 1) {
        named_arrive(1, 2 * GROUP_THREADS);  // the first warpgroup begins
    }
    Place place = {0, 0};
    for (int token = kv_from + TILE; token < kv_to; token += TILE) {
        const Place previous = place;
        place.advance();
        barrier_wait(barriers + 8 * (KEYS_FULL + place.stage), place.round);
        barrier_wait(barriers + 8 * (VALUES_FULL + previous.stage), previous.round);
        fence_async();
        named_sync(1 + consumer, 2 * GROUP_THREADS);
        multiply_tile_keys(place.stage);
        multiply_tile_values(previous.stage);
        named_arrive(2 - consumer, 2 * GROUP_THREADS);
        wgmma_wait<1>();
        release(barriers + 8 * (KEYS_FREE + place.stage));
        softmax.update(score, token, masked(token), window, factor);
        wgmma_wait<0>();
        release(barriers + 8 * (VALUES_FREE + previous.stage));
#pragma unroll
        for (int i = 0; i < 64; i++) {
            output[i] *= softmax.correction[i >> 1 & 1];
        }
        pack();
    }
    barrier_wait(barriers + 8 * (VALUES_FULL + place.stage), place.round);
    fence_async();
    multiply_tile_values(place.stage);
    wgmma_wait<0>();

#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = warp_row + lane / 4 + 8 * half;
        const float inverse = 1.0f / quad_sum(softmax.total[half]);
        act* to = out + row_at(tile, group, min(row, rows - 1), heads, kv_head);
#pragma unroll
        for (int j = 0; j < 16; j += 4) {
            // The four lanes of a row have pairs of four chunks of 8 columns each; transposed, each has a chunk.
            u32 v[4];
#pragma unroll
            for (int k = 0; k < 4; k++) {
                v[k] = pack_bf16(output[4 * (j + k) + 2 * half] * inverse, output[4 * (j + k) + 2 * half + 1] * inverse);
            }
            exchange(v[0], v[1], lane & 1, 1);
            exchange(v[2], v[3], lane & 1, 1);
            exchange(v[0], v[2], lane & 2, 2);
            exchange(v[1], v[3], lane & 2, 2);
            if (row < rows) {
                *(uint4*)(to + 8 * (j + (lane & 3))) = make_uint4(v[0], v[1], v[2], v[3]);
            }
        }
    }
}
