// Linear layers of up to 8 * TILES rows on tensor cores, x of any size: out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias, bf16. Bound by reading W once.
//
// W is the M = 16 operand of mma.m16n8k16 and the rows of x are its columns. A block streams tiles of TILE_N rows of W, and x with them,
// through STAGES stages of shared memory; the first stages of W are requested before the kernels in front have finished, since nothing
// of a step writes weights. A product over k does not care for the order of k as long as both operands agree, so a lane takes eight
// neighbouring k, one 16-byte access, where the instruction's picture shows four pairs.
//
// The k of a tile is split over the CLUSTER blocks of a cluster, so that few tiles still keep every multiprocessor busy, and there over
// WARPS_K warps. Partial sums go to the block that owns the output row, through distributed shared memory, and are added in ascending
// order of the parts: the result depends neither on timing nor on the other rows.
//
// Needs k % 8 == 0 and 16-byte aligned x and W. Grid: a multiple of CLUSTER. Dynamic shared memory: the stages, STAGES * (TILE_N + 8 *
// TILES) * 2 * STAGE_K bytes, and the partial sums, 4 * CLUSTER * WARPS_K * 8 * TILES * (TILE_N / CLUSTER + 4) bytes.
// Defines: TILES (8 rows of x each), CLUSTER, WARPS_N (WARP_TILES * 16 rows of W each), WARP_TILES, WARPS_K, STAGES, STAGE_K.
#include "prelude.cuh"

#ifndef TILES
#define TILES 1
#endif
#ifndef CLUSTER
#define CLUSTER 2
#endif
#ifndef WARPS_N
#define WARPS_N 4
#endif
#ifndef WARP_TILES
#define WARP_TILES 1
#endif
#ifndef WARPS_K
#define WARPS_K 4
#endif
#ifndef STAGES
#define STAGES 4
#endif
#ifndef STAGE_K
#define STAGE_K 128
#endif

constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else bf16
constexpr int THREADS = 32 * WARPS_N * WARPS_K;
constexpr int TILE_N = 16 * WARP_TILES * WARPS_N;
constexpr int COLUMNS = 8 * TILES;
constexpr int ROW_BYTES = STAGE_K * 2, ROW_CHUNKS = STAGE_K / 8;  // of a row in a stage; chunks of 16 bytes
constexpr int W_BYTES = TILE_N * ROW_BYTES, STAGE_BYTES = W_BYTES + COLUMNS * ROW_BYTES;
constexpr int STEPS = STAGE_K / 32 / WARPS_K;  // 32 k each, of a warp in a stage
constexpr int SOURCES = CLUSTER * WARPS_K;     // partial sums of an output
constexpr int OWN = TILE_N / CLUSTER;          // rows of a tile that a block finishes
constexpr int OWN_PITCH = OWN + 4;             // stores of a warp meet 32 banks
constexpr int PER_THREAD = (OWN * COLUMNS + THREADS - 1) / THREADS;

#ifndef ACT_F32

__device__ __forceinline__ u32 cluster_rank() {
    u32 rank = 0;
    if (CLUSTER > 1) {
        asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    }
    return rank;
}

__device__ __forceinline__ void cluster_arrive() {
    if (CLUSTER > 1) {
        asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
    }
}

__device__ __forceinline__ void cluster_wait() {
    if (CLUSTER > 1) {
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
    } else {
        __syncthreads();
    }
}

// The address of the same place in the shared memory of a block of the cluster.
__device__ __forceinline__ u32 remote_address(u32 shared, u32 rank) {
    if (CLUSTER == 1) {
        return shared;
    }
    u32 remote;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(shared), "r"(rank));
    return remote;
}

__device__ __forceinline__ void store_remote(u32 address, float value) {
    if (CLUSTER > 1) {
        asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
    } else {
        asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
    }
}

__device__ __forceinline__ uint4 load_shared(u32 address) {
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
    return v;
}

// Rows r and r + 1 lie in opposite halves of 128 bytes, so that the eight lanes of an access meet all banks.
__device__ __forceinline__ u32 chunk_address(u32 base, int row, int chunk) {
    return base + row * ROW_BYTES + ((chunk ^ ((row & 1) << 2)) << 4);
}

// Rows row0.. of W, columns from `from` on.
__device__ __forceinline__ void load_weights(u32 stage, const act* w, int row0, int from, int n, int k) {
#pragma unroll
    for (int i = 0; i < (TILE_N * ROW_CHUNKS + THREADS - 1) / THREADS; i++) {
        const int at = threadIdx.x + i * THREADS, r = at / ROW_CHUNKS, chunk = at % ROW_CHUNKS, column = from + chunk * 8;
        if (TILE_N * ROW_CHUNKS % THREADS == 0 || r < TILE_N) {
            copy_async(chunk_address(stage, r, chunk), w + (i64)min(row0 + r, n - 1) * k + (column < k ? column : 0), column < k);
        }
    }
}

// All rows of x, zeros below them, columns from `from` on.
__device__ __forceinline__ void load_inputs(u32 stage, const act* x, int rows, int from, int k) {
#pragma unroll
    for (int i = 0; i < (COLUMNS * ROW_CHUNKS + THREADS - 1) / THREADS; i++) {
        const int at = threadIdx.x + i * THREADS, r = at / ROW_CHUNKS, chunk = at % ROW_CHUNKS, column = from + chunk * 8;
        if (COLUMNS * ROW_CHUNKS % THREADS == 0 || r < COLUMNS) {
            const bool valid = r < rows && column < k;
            copy_async(chunk_address(stage + W_BYTES, r, chunk), x + (valid ? (i64)r * k + column : 0), valid);
        }
    }
}

// load_inputs of the first `count` stages through registers: asynchronous copies complete in order, and x need not wait for all of W.
__device__ __forceinline__ void first_inputs(u8* stages, const act* x, int rows, int from, int count, int k) {
#pragma unroll 4
    for (int i = threadIdx.x; i < count * COLUMNS * ROW_CHUNKS; i += THREADS) {
        const int s = i / (COLUMNS * ROW_CHUNKS), r = i / ROW_CHUNKS % COLUMNS, chunk = i % ROW_CHUNKS, column = from + s * STAGE_K + chunk * 8;
        const uint4 v = r < rows && column < k ? *(const uint4*)(x + (i64)r * k + column) : make_uint4(0, 0, 0, 0);
        *(uint4*)(stages + chunk_address(s * STAGE_BYTES + W_BYTES, r, chunk)) = v;
    }
}

__device__ __forceinline__ void multiply(float (&c)[WARP_TILES][TILES][4], u32 stage, int warp_n, int warp_k) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const int chunk = (warp_k * STEPS + s) * 4 + t;
        uint4 low[WARP_TILES], high[WARP_TILES];
#pragma unroll
        for (int i = 0; i < WARP_TILES; i++) {
            const int row = (warp_n * WARP_TILES + i) * 16 + g;
            low[i] = load_shared(chunk_address(stage, row, chunk));
            high[i] = load_shared(chunk_address(stage, row + 8, chunk));
        }
        uint4 b[TILES];
#pragma unroll
        for (int j = 0; j < TILES; j++) {
            b[j] = load_shared(chunk_address(stage + W_BYTES, j * 8 + g, chunk));
        }
        // All of one k before all of the other: neighbouring instructions do not wait for each other's sums.
#pragma unroll
        for (int j = 0; j < TILES; j++) {
#pragma unroll
            for (int i = 0; i < WARP_TILES; i++) {
                const u32 a[4] = {low[i].x, high[i].x, low[i].y, high[i].y};
                mma_bf16(c[i][j], a, b[j].x, b[j].y);
            }
        }
#pragma unroll
        for (int j = 0; j < TILES; j++) {
#pragma unroll
            for (int i = 0; i < WARP_TILES; i++) {
                const u32 a[4] = {low[i].z, high[i].z, low[i].w, high[i].w};
                mma_bf16(c[i][j], a, b[j].z, b[j].w);
            }
        }
    }
}

// Hands the warp's sums to the blocks that own their rows and clears them.
__device__ __forceinline__ void push(float (&c)[WARP_TILES][TILES][4], u32 partial, int source, int warp_n) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int i = 0; i < WARP_TILES; i++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int r = (warp_n * WARP_TILES + i) * 16 + g + 8 * half;
            const u32 at = remote_address(partial + 4 * ((source * COLUMNS + t * 2) * OWN_PITCH + r % OWN), r / OWN);
#pragma unroll
            for (int j = 0; j < TILES; j++) {
                store_remote(at + 4 * (j * 8) * OWN_PITCH, c[i][j][half * 2]);
                store_remote(at + 4 * (j * 8 + 1) * OWN_PITCH, c[i][j][half * 2 + 1]);
                c[i][j][half * 2] = c[i][j][half * 2 + 1] = 0.0f;
            }
        }
    }
}

// What an output starts with: bias and, when adding, what is there.
__device__ __forceinline__ float initial(const void* out, const float* bias, i64 at, int row, int flags) {
    float v = bias ? bias[row] : 0.0f;
    if (flags & ACCUMULATE) {
        v += flags & OUT_F32 ? ((const float*)out)[at] : to_float(((const act*)out)[at]);
    }
    return v;
}

#if __CUDA_ARCH__ >= 900
extern "C" __global__ void __launch_bounds__(THREADS) __cluster_dims__(CLUSTER, 1, 1)
#else
extern "C" __global__ void __launch_bounds__(THREADS)
#endif
linear_skinny(void* out, const act* x, const act* w, const float* bias, int rows, int n, int k, int flags) {
    extern __shared__ __align__(128) u8 memory[];  // stages, then float [SOURCES][COLUMNS][OWN_PITCH]
    const int warp = threadIdx.x >> 5, warp_n = warp % WARPS_N, warp_k = warp / WARPS_N;
    const int rank = cluster_rank(), tiles = (n + TILE_N - 1) / TILE_N, stride = gridDim.x / CLUSTER, tile0 = blockIdx.x / CLUSTER;
    const int steps = ((k + STAGE_K - 1) / STAGE_K + CLUSTER - 1) / CLUSTER;  // stages of the block's slice of k
    const int k0 = rank * steps * STAGE_K;
    const int total = tile0 < tiles ? ((tiles - tile0 + stride - 1) / stride) * steps : 0;  // stages of the block's tiles
    const u32 ring = shared_address(memory);
    const float* sums = (const float*)(memory + STAGES * STAGE_BYTES);
    int load_row = tile0 * TILE_N, load_step = 0;
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        if (i < total) {
            load_weights(ring + i * STAGE_BYTES, w, load_row, k0 + load_step * STAGE_K, n, k);
            load_row += ++load_step == steps ? stride * TILE_N : 0;
            load_step = load_step == steps ? 0 : load_step;
        }
        copy_commit();
    }
    cluster_arrive();
    wait_for_previous();
    allow_next();
    // Stages past the first tile begin k anew: their x comes by a copy of its own.
    const int ahead = min(STAGES - 1, min(steps, total));
    first_inputs(memory, x, rows, k0, ahead, k);
    if (ahead < STAGES - 1) {
        for (int i = ahead; i < STAGES - 1 && i < total; i++) {
            load_inputs(ring + i * STAGE_BYTES, x, rows, k0 + i % steps * STAGE_K, k);
        }
        copy_commit();
        copy_wait<0>();
    }
    float c[WARP_TILES][TILES][4] = {};
    int tile = tile0, step = 0, slot = 0;
    for (int i = 0; i < total; i++) {
        copy_wait<STAGES - 2>();
        __syncthreads();  // the stage has come in for all threads, and all have read the one before, whose place is filled now
        if (i + STAGES - 1 < total) {
            const u32 free = ring + (slot == 0 ? STAGES - 1 : slot - 1) * STAGE_BYTES;
            load_weights(free, w, load_row, k0 + load_step * STAGE_K, n, k);
            load_inputs(free, x, rows, k0 + load_step * STAGE_K, k);
            load_row += ++load_step == steps ? stride * TILE_N : 0;
            load_step = load_step == steps ? 0 : load_step;
        }
        copy_commit();
        multiply(c, ring + slot * STAGE_BYTES, warp_n, warp_k);
        slot = slot == STAGES - 1 ? 0 : slot + 1;
        if (++step < steps) {
            continue;
        }
        cluster_wait();  // the owners have read the sums of the tile before
        push(c, ring + STAGES * STAGE_BYTES, rank * WARPS_K + warp_k, warp_n);
        cluster_arrive();
        float value[PER_THREAD];
#pragma unroll
        for (int p = 0; p < PER_THREAD; p++) {
            const int at = threadIdx.x + p * THREADS, r = at / OWN, row = tile * TILE_N + rank * OWN + at % OWN;
            value[p] = r < rows && row < n ? initial(out, bias, (i64)r * n + row, row, flags) : 0.0f;
        }
        cluster_wait();
#pragma unroll
        for (int p = 0; p < PER_THREAD; p++) {
            const int at = threadIdx.x + p * THREADS, r = at / OWN, row = tile * TILE_N + rank * OWN + at % OWN;
            if (r < rows && row < n) {
                float sum = 0.0f;
#pragma unroll
                for (int s = 0; s < SOURCES; s++) {
                    sum += sums[(s * COLUMNS + r) * OWN_PITCH + at % OWN];
                }
                if (flags & OUT_F32) {
                    ((float*)out)[(i64)r * n + row] = sum + value[p];
                } else {
                    ((act*)out)[(i64)r * n + row] = from_float<act>(sum + value[p]);
                }
            }
        }
        step = 0;
        tile += stride;
        if (i + 1 < total) {
            cluster_arrive();
        }
    }
}
#endif
