// Linear layers of a few rows, up to 8 * TILES, on tensor cores: out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias, bf16. Bound by reading
// W once.
//
// W is the M = 16 operand of mma.m16n8k16 and the rows of x are its columns. A product over k does not care for the order of k as long
// as both operands agree, so a lane may hold eight neighbouring k of a row, one 16-byte load straight from global memory, where the
// instruction's picture shows four pairs: W passes through no shared memory. Loads run a batch ahead, across the end of a tile too, and
// the first batch is requested before the kernels in front have finished, since nothing of a step writes weights.
//
// A tile is 16 * WARPS_N rows of W. Its k is split over the CLUSTER blocks of a cluster, each of which keeps its slice of x in shared
// memory for good, and there over WARPS_K warps. Partial sums go to the block that owns the output row, through distributed shared
// memory, and are added in ascending k: the result depends neither on timing nor on the other rows.
//
// Needs k % 8 == 0 and 16-byte aligned x and W. Grid: a multiple of CLUSTER. Dynamic shared memory: x slice, then the partial sums.
// Defines: TILES (8 rows of x each), CLUSTER, WARPS_N, WARPS_K, STEPS (32 k each, of a batch).
#include "prelude.cuh"

#ifndef TILES
#define TILES 1
#endif
#ifndef CLUSTER
#define CLUSTER 8
#endif
#ifndef WARPS_N
#define WARPS_N 8
#endif
#ifndef WARPS_K
#define WARPS_K 2
#endif
#ifndef STEPS
#define STEPS 4
#endif

constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else bf16
constexpr int THREADS = 32 * WARPS_N * WARPS_K;
constexpr int TILE_N = 16 * WARPS_N;
constexpr int BATCH_K = 32 * STEPS;
constexpr int COLUMNS = 8 * TILES;
constexpr int SOURCES = CLUSTER * WARPS_K;   // partial sums of an output
constexpr int OWN = TILE_N / CLUSTER;        // rows of a tile that a block finishes
constexpr int OWN_PITCH = OWN + 4;           // stores of a warp meet 32 banks
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

// The lane's part of a tile's batch: rows g and g + 8, eight k of each step.
__device__ __forceinline__ void load_batch(uint4 (&low)[STEPS], uint4 (&high)[STEPS], const act* w, int row, int from, int n, int k) {
    const int g = (threadIdx.x & 31) >> 2, at = from + (threadIdx.x & 3) * 8;
    const act* first = w + (i64)min(row + g, n - 1) * k + at;
    const act* second = w + (i64)min(row + g + 8, n - 1) * k + at;
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const bool inside = at + s * 32 < k;
        low[s] = inside ? load_once(first + s * 32) : make_uint4(0, 0, 0, 0);
        high[s] = inside ? load_once(second + s * 32) : make_uint4(0, 0, 0, 0);
    }
}

// c[16 rows of W][COLUMNS] += batch * x; xs is the lane's place in the slice of x.
__device__ __forceinline__ void multiply(float (&c)[TILES][4], const uint4 (&low)[STEPS], const uint4 (&high)[STEPS], const uint4* xs, int pitch) {
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const u32 first[4] = {low[s].x, high[s].x, low[s].y, high[s].y};
        const u32 second[4] = {low[s].z, high[s].z, low[s].w, high[s].w};
#pragma unroll
        for (int j = 0; j < TILES; j++) {
            const uint4 b = xs[j * 8 * pitch + s * 4];
            mma_bf16(c[j], first, b.x, b.y);
            mma_bf16(c[j], second, b.z, b.w);
        }
    }
}

// Hands the sums of the warp's 16 rows to the blocks that own them and clears them.
__device__ __forceinline__ void push(float (&c)[TILES][4], u32 partial, int source, int row) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int r = row + g + 8 * half;
        const u32 at = remote_address(partial + 4 * ((source * COLUMNS + t * 2) * OWN_PITCH + r % OWN), r / OWN);
#pragma unroll
        for (int j = 0; j < TILES; j++) {
            store_remote(at + 4 * (j * 8) * OWN_PITCH, c[j][half * 2]);
            store_remote(at + 4 * (j * 8 + 1) * OWN_PITCH, c[j][half * 2 + 1]);
            c[j][half * 2] = c[j][half * 2 + 1] = 0.0f;
        }
    }
}

#if __CUDA_ARCH__ >= 900
extern "C" __global__ void __launch_bounds__(THREADS) __cluster_dims__(CLUSTER, 1, 1)
#else
extern "C" __global__ void __launch_bounds__(THREADS)
#endif
linear_skinny(void* out, const act* x, const act* w, const float* bias, int rows, int n, int k, int flags) {
    extern __shared__ uint4 xs[];  // [COLUMNS][pitch], then float [SOURCES][COLUMNS][OWN_PITCH]
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warp_n = warp % WARPS_N, warp_k = warp / WARPS_N;
    const int rank = cluster_rank(), tiles = (n + TILE_N - 1) / TILE_N, stride = gridDim.x / CLUSTER;
    const int batches = ((k + BATCH_K - 1) / BATCH_K + CLUSTER - 1) / CLUSTER;  // of a block's slice of k
    const int pitch = batches * BATCH_K / 8 + 4;  // 64 bytes off a multiple of 128: the lanes of an access meet different banks
    const int k0 = rank * batches * BATCH_K;
    float* sums = (float*)(xs + COLUMNS * pitch);
    int tile = blockIdx.x / CLUSTER, batch = warp_k;
    uint4 low[STEPS], high[STEPS];
    if (tile < tiles && batch < batches) {
        load_batch(low, high, w, tile * TILE_N + warp_n * 16, k0 + batch * BATCH_K, n, k);
    }
    cluster_arrive();
    wait_for_previous();
    allow_next();
    for (int i = threadIdx.x; i < COLUMNS * batches * (BATCH_K / 8); i += THREADS) {
        const int r = i / (batches * (BATCH_K / 8)), at = i % (batches * (BATCH_K / 8));
        const bool valid = r < rows && k0 + at * 8 < k;
        copy_async(shared_address(xs + r * pitch + at), x + (valid ? (i64)r * k + k0 + at * 8 : 0), valid);
    }
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    float c[TILES][4] = {};
    while (tile < tiles) {
        int next_tile = tile, next_batch = batch + WARPS_K;
        if (next_batch >= batches) {
            next_batch = warp_k;
            next_tile += stride;
        }
        if (batch < batches) {
            uint4 now_low[STEPS], now_high[STEPS];
#pragma unroll
            for (int s = 0; s < STEPS; s++) {
                now_low[s] = low[s];
                now_high[s] = high[s];
            }
            if (next_tile < tiles) {
                load_batch(low, high, w, next_tile * TILE_N + warp_n * 16, k0 + next_batch * BATCH_K, n, k);
            }
            multiply(c, now_low, now_high, xs + (lane >> 2) * pitch + batch * (BATCH_K / 8) + (lane & 3), pitch);
        }
        if (next_tile != tile) {
            cluster_wait();  // the owners have read the sums of the tile before
            push(c, shared_address(sums), rank * WARPS_K + warp_k, warp_n * 16);
            cluster_arrive();
            float total[PER_THREAD];
#pragma unroll
            for (int i = 0; i < PER_THREAD; i++) {
                const int at = threadIdx.x + i * THREADS, r = at / OWN, row = tile * TILE_N + rank * OWN + at % OWN;
                total[i] = 0.0f;
                if (r < rows && row < n) {
                    total[i] = bias ? bias[row] : 0.0f;
                    if (flags & ACCUMULATE) {
                        const i64 o = (i64)r * n + row;
                        total[i] += flags & OUT_F32 ? ((float*)out)[o] : to_float(((act*)out)[o]);
                    }
                }
            }
            cluster_wait();
#pragma unroll
            for (int i = 0; i < PER_THREAD; i++) {
                const int at = threadIdx.x + i * THREADS, r = at / OWN, row = tile * TILE_N + rank * OWN + at % OWN;
                if (r < rows && row < n) {
                    float sum = 0.0f;
#pragma unroll
                    for (int s = 0; s < SOURCES; s++) {
                        sum += sums[(s * COLUMNS + r) * OWN_PITCH + at % OWN];
                    }
                    const i64 o = (i64)r * n + row;
                    if (flags & OUT_F32) {
                        ((float*)out)[o] = sum + total[i];
                    } else {
                        ((act*)out)[o] = from_float<act>(sum + total[i]);
                    }
                }
            }
            if (next_tile < tiles) {
                cluster_arrive();
            }
        }
        tile = next_tile;
        batch = next_batch;
    }
}
#endif
