// Attention of prompts over a paged cache with Hopper's warpgroup instructions (FlashAttention-3, https://arxiv.org/abs/2407.08608): bf16,
// heads of 128. A block takes 128 rows of one kv head, a row being one query head of one token, and passes over its keys in tiles of 128
// tokens. One warpgroup gathers queries and pages into shared memory, 128-byte swizzled as wgmma reads them; two others own 64 rows
// each. While a warpgroup computes the exponentials of a tile, its product of the tile before and the other warpgroup's products keep
// the tensor cores busy; named barriers hold the two in alternation. Blocks stay for several pieces of work, so that what the next one
// begins with is fetched while the last one ends.
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
// Barriers, in this order behind the matrices: keys full [2], values full [2], queries full, then the same free.
constexpr int KEYS_FULL = 0, VALUES_FULL = 2, QUERIES_FULL = 4, KEYS_FREE = 5, VALUES_FREE = 7, QUERIES_FREE = 9, BARRIERS = 10;

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

// Named barriers 1 and 2 keep the order of the two consumer warpgroups.
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

// The pieces of work of a block: tiles, the longest first, each of all kv heads. Blocks take turns, every second time in reverse, so
// that their sums are about the same.
struct Works {
    const int4* tiles;
    int count;
    int kv_heads;
    int group;
    int window;
    int turn;  // of the next piece

    __device__ __forceinline__ int index() const {
        return turn * gridDim.x + (turn & 1 ? gridDim.x - 1 - blockIdx.x : blockIdx.x);
    }

    // Loads the tile of the next piece; the caller keeps it for take.
    __device__ __forceinline__ Tile peek() const {
        const int i = min(index(), count - 1) / kv_heads;
        const int4 low = __ldg(tiles + 2 * i);
        return {low.x, low.y, low.z, low.w, __ldg(&tiles[2 * i + 1].x)};
    }
};

// One piece of work.
struct Work {
    Tile tile;
    int kv_head;
    int rows;
    int first_position;
    int last_position;
    int kv_from;
    int kv_to;

    __device__ __forceinline__ Work(const Works& works, const Tile& peeked) : tile(peeked) {
        kv_head = works.index() % works.kv_heads;
        rows = min(ROWS, tile.queries * works.group - tile.first_row);
        first_position = tile.first_position + tile.first_row / works.group;
        last_position = tile.first_position + (tile.first_row + rows - 1) / works.group;
        kv_from = works.window > 0 ? max(0, first_position - works.window + 1) / TILE * TILE : 0;
        kv_to = last_position + 1;
    }
};

struct Shared {
    u32 queries;
    u32 keys;      // [2]
    u32 values;    // [2]
    u32 barriers;
};

// Fetches queries, keys and values of all pieces of work; a thread of the warpgroup copies chunk thread % 16 of rows thread / 16 + 8 i.
__device__ __forceinline__ void produce(
    const Shared& at, Works works, const bf16* qkv, const bf16* keys, const bf16* values, const int* block_ids, int heads) {
    const int thread = threadIdx.x & (GROUP_THREADS - 1), chunk = thread & 15, first_row = thread >> 4;
    const int page_elements = works.kv_heads * PAGE * HEAD_DIM;
    const u32 offset = swizzled(first_row, chunk);
    int fill = 0, queries_fill = 0;
    Tile next = works.peek();
    for (; works.index() < works.count;) {
        const Work work(works, next);
        works.turn++;
        next = works.peek();
        const int* ids = block_ids + work.tile.block_start;
        const int first = work.kv_head * PAGE * HEAD_DIM + first_row * HEAD_DIM + chunk * 8;
        for (int token = work.kv_from; token < work.kv_to; token += TILE, fill++) {
            const int stage = fill & 1, parity = (fill >> 1 & 1) ^ 1, valid_rows = work.kv_to - token - first_row;
            int pages[TILE / PAGE];
#pragma unroll
            for (int p = 0; p < TILE / PAGE; p++) {
                pages[p] = token + p * PAGE < work.kv_to ? __ldg(ids + token / PAGE + p) : 0;
            }
            const auto copy = [&](u32 to, const bf16* cache) {
#pragma unroll
                for (int i = 0; i < TILE / 8; i++) {
                    copy_async(to + offset + i * 1024, cache + (i64)pages[i >> 1] * page_elements + first + (i & 1) * 8 * HEAD_DIM,
                        8 * i < valid_rows);
                }
            };
            barrier_wait(at.barriers + 8 * (KEYS_FREE + stage), parity);
            copy(at.keys + stage * MATRIX_BYTES, keys);
            barrier_arrive_copied(at.barriers + 8 * (KEYS_FULL + stage));
            if (token == work.kv_from) {
                barrier_wait(at.barriers + 8 * QUERIES_FREE, (queries_fill++ & 1) ^ 1);
#pragma unroll 4
                for (int i = 0; i < ROWS / 8; i++) {
                    const int r = work.tile.first_row + first_row + 8 * i;
                    const bool valid = first_row + 8 * i < work.rows;
                    const bf16* from = qkv
                        + ((i64)(work.tile.first_query + r / works.group) * (heads + 2 * works.kv_heads) + work.kv_head * works.group
                              + r % works.group)
                            * HEAD_DIM;
                    copy_async(at.queries + offset + i * 1024, valid ? from + chunk * 8 : qkv, valid);
                }
                barrier_arrive_copied(at.barriers + 8 * QUERIES_FULL);
            }
            barrier_wait(at.barriers + 8 * (VALUES_FREE + stage), parity);
            copy(at.values + stage * MATRIX_BYTES, values);
            barrier_arrive_copied(at.barriers + 8 * (VALUES_FULL + stage));
        }
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
}

// Grid: as many blocks as the device has multiprocessors, or fewer. Dynamic shared memory: queries, two tiles of keys, two of values,
// barriers, and 1024 to align.
extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_prefill_wgmma(act* __restrict__ out, const act* __restrict__ qkv,
    const kv_t* __restrict__ keys, const kv_t* __restrict__ values, const int* __restrict__ block_ids, const int4* __restrict__ tiles,
    const int* __restrict__ tile_count, int heads, int kv_heads, float scale, int window, float soft_cap) {
    extern __shared__ u8 shared[];
    allow_next();
    Shared at;
    at.queries = (shared_address(shared) + 1023) & ~1023u;
    at.keys = at.queries + MATRIX_BYTES;
    at.values = at.keys + 2 * MATRIX_BYTES;
    at.barriers = at.values + 2 * MATRIX_BYTES;
    if (threadIdx.x == 0) {
        for (int i = 0; i < BARRIERS; i++) {
            barrier_init(at.barriers + 8 * i, i < KEYS_FREE ? GROUP_THREADS : CONSUMER_WARPS);
        }
    }
    Works works = {tiles, *tile_count * kv_heads, kv_heads, heads / kv_heads, window, 0};
    __syncthreads();
    wait_for_previous();
    if (works.index() >= works.count) {
        return;
    }
    // 56 + 2 * 224 registers times 128 threads fill the file.
    if (threadIdx.x < GROUP_THREADS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 56;");
        produce(at, works, qkv, keys, values, block_ids, heads);
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 224;");
    const int consumer = (threadIdx.x >> 7) - 1, thread = threadIdx.x & (GROUP_THREADS - 1), lane = thread & 31;
    const int warp_row = 64 * consumer + (thread >> 5) * 16;
    const float factor = scale * LOG2_E;
    const u64 query = matrix(at.queries + consumer * 64 * 128, 0);
    Softmax softmax;
    float score[64], output[64];
    u32 weights[32];
    // Steps of 16 dimensions: 32 bytes within 64 dimensions, then the other half.
    const auto multiply_tile_keys = [&](int stage) {
        const u64 tile_keys = matrix(at.keys + stage * MATRIX_BYTES, 0);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < HEAD_DIM / 16; step++) {
            const u64 place = (step >> 2) * (HALF_BYTES >> 4) + (step & 3) * 2;
            multiply_keys(score, query + place, tile_keys + place, step > 0);
        }
        wgmma_commit();
    };
    const auto multiply_tile_values = [&](int stage) {
        const u64 tile_values = matrix(at.values + stage * MATRIX_BYTES, HALF_BYTES);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < TILE / 16; step++) {
            multiply_values(output, weights[4 * step], weights[4 * step + 1], weights[4 * step + 2], weights[4 * step + 3],
                tile_values + step * (16 * 128 >> 4));
        }
        wgmma_commit();
    };
    const auto wait_full = [&](int barrier, int parity) { barrier_wait(at.barriers + 8 * barrier, parity); };
    const auto release = [&](int barrier) {
        __syncwarp();
        if (lane == 0) {
            barrier_arrive(at.barriers + 8 * barrier);
        }
    };
    const auto pack = [&] {
#pragma unroll
        for (int i = 0; i < 32; i++) {
            weights[i] = pack_bf16(score[2 * i], score[2 * i + 1]);
        }
    };

    if (consumer == 1) {
        named_arrive(1, 2 * GROUP_THREADS);  // the first warpgroup begins
    }
    int tile = 0, queries_tile = 0;  // tiles of the ring, and of queries, that have been used up
    Tile next = works.peek();
    while (works.index() < works.count) {
        const Work work(works, next);
        works.turn++;
        next = works.peek();
        const auto masked = [&](int token) {
            return token + TILE > work.first_position + 1 || (window > 0 && token <= work.last_position - window);
        };
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = warp_row + lane / 4 + 8 * half;
            softmax.position[half] =
                row < work.rows ? work.tile.first_position + (work.tile.first_row + row) / works.group : -1;
            softmax.highest[half] = __int_as_float(0xff800000);
            softmax.total[half] = 0;
        }
#pragma unroll
        for (int i = 0; i < 64; i++) {
            output[i] = 0;
        }
        wait_full(QUERIES_FULL, queries_tile++ & 1);
        wait_full(KEYS_FULL + (tile & 1), tile >> 1 & 1);
        fence_async();
        multiply_tile_keys(tile & 1);
        wgmma_wait<0>();
        release(KEYS_FREE + (tile & 1));
        if (work.kv_from + TILE >= work.kv_to) {
            release(QUERIES_FREE);
        }
        softmax.update(score, work.kv_from, masked(work.kv_from), window, factor);
        pack();
        for (int token = work.kv_from + TILE; token < work.kv_to; token += TILE) {
            const int previous = tile & 1, previous_parity = tile >> 1 & 1;
            tile++;
            const int stage = tile & 1;
            wait_full(KEYS_FULL + stage, tile >> 1 & 1);
            wait_full(VALUES_FULL + previous, previous_parity);
            fence_async();
            named_sync(1 + consumer, 2 * GROUP_THREADS);
            multiply_tile_keys(stage);
            multiply_tile_values(previous);
            named_arrive(2 - consumer, 2 * GROUP_THREADS);
            wgmma_wait<1>();
            release(KEYS_FREE + stage);
            if (token + TILE >= work.kv_to) {
                release(QUERIES_FREE);
            }
            softmax.update(score, token, masked(token), window, factor);
            wgmma_wait<0>();
            release(VALUES_FREE + previous);
#pragma unroll
            for (int i = 0; i < 64; i++) {
                output[i] *= softmax.correction[i >> 1 & 1];
            }
            pack();
        }
        wait_full(VALUES_FULL + (tile & 1), tile >> 1 & 1);
        fence_async();
        multiply_tile_values(tile & 1);
        wgmma_wait<0>();
        release(VALUES_FREE + (tile & 1));
        tile++;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = warp_row + lane / 4 + 8 * half, r = work.tile.first_row + row;
            const float inverse = 1.0f / quad_sum(softmax.total[half]);
            if (row < work.rows) {
                act* to = out
                    + ((i64)(work.tile.first_query + r / works.group) * heads + work.kv_head * works.group + r % works.group) * HEAD_DIM;
#pragma unroll
                for (int j = 0; j < 16; j++) {
                    *(u32*)(to + 8 * j + 2 * (lane & 3)) =
                        pack_bf16(output[4 * j + 2 * half] * inverse, output[4 * j + 2 * half + 1] * inverse);
                }
            }
        }
    }
}
