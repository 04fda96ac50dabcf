// Linear layers of 2 to 16 rows whose x fits shared memory, up to 8 * TILES of them, on tensor cores: out[rows, n] (=|+=) x[rows, k] W[n, k]^T + bias, bf16. Bound by reading
// W once.
//
// W is the M = 16 operand of mma.m16n8k16 and the rows of x are its columns. A warp streams 16 rows of W through a ring of its own in
// shared memory, STAGES - 1 stages of 64 k ahead and across the end of a tile, so that warps never wait for each other; the first
// stages are requested before the kernels in front have finished, since nothing of a step writes weights. A product over k does not care
// for the order of k as long as both operands agree, so a lane takes eight neighbouring k, one 16-byte access, where the instruction's
// picture shows four pairs.
//
// A tile is 16 * WARPS_N rows of W. Its k is split over the CLUSTER blocks of a cluster, each of which keeps its slice of x in shared
// memory for good, and there over WARPS_K warps. Partial sums go to the block that owns the output row, through distributed shared
// memory, and are added in ascending order of the parts: the result depends neither on timing nor on the other rows.
//
// Needs k % 8 == 0 and 16-byte aligned x and W. Grid: a multiple of CLUSTER. Dynamic shared memory, in this order: the rings
// (WARPS_N * WARPS_K * STAGES * 2048 bytes), the slice of x (8 * TILES rows of ceil(ceil(k / 64) / CLUSTER) * 128 + 64 bytes), the partial
// sums (4 * CLUSTER * WARPS_K * 8 * TILES * (16 * WARPS_N / CLUSTER + 4) bytes).
// Defines: TILES (8 rows of x each), CLUSTER, WARPS_N, WARPS_K, STAGES.
#include "prelude.cuh"

#ifndef TILES
#define TILES 1
#endif
#ifndef CLUSTER
#define CLUSTER 1
#endif
#ifndef WARPS_N
#define WARPS_N 1
#endif
#ifndef WARPS_K
#define WARPS_K 16
#endif
#ifndef STAGES
#define STAGES 4
#endif

constexpr int ACCUMULATE = 1;  // adds to out
constexpr int OUT_F32 = 2;     // out is F32, else bf16
constexpr int THREADS = 32 * WARPS_N * WARPS_K;
constexpr int TILE_N = 16 * WARPS_N;
constexpr int STAGE_K = 64;
constexpr int STAGE_CHUNKS = STAGE_K / 8;   // of 16 bytes, in a row
constexpr int STAGE_BYTES = 16 * STAGE_K * 2;
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

// Rows g and g + 1 lie in opposite halves of their 128 bytes, so that the eight lanes of an access meet all banks.
__device__ __forceinline__ u32 ring_address(u32 stage, int row, int chunk) {
    return stage + row * 128 + ((chunk ^ ((row & 1) << 2)) << 4);
}

// The warp's 16 rows, 64 k from column `from` on.
__device__ __forceinline__ void load_stage(u32 stage, const act* w, int row, int from, int n, int k) {
    const int lane = threadIdx.x & 31, chunk = lane & 7, at = from + chunk * 8;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int r = i * 4 + (lane >> 3);
        copy_async(ring_address(stage, r, chunk), w + (i64)min(row + r, n - 1) * k + (at < k ? at : 0), at < k);
    }
}

__device__ __forceinline__ uint4 load_shared(u32 address) {
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
    return v;
}

// c[16 rows of W][COLUMNS] += stage * x; xs is the lane's place in the slice of x.
__device__ __forceinline__ void multiply(float (&c)[TILES][4], u32 stage, const uint4* xs, int pitch) {
    const int g = (threadIdx.x & 31) >> 2, t = threadIdx.x & 3;
#pragma unroll
    for (int s = 0; s < STAGE_K / 32; s++) {
        const uint4 low = load_shared(ring_address(stage, g, s * 4 + t)), high = load_shared(ring_address(stage, g + 8, s * 4 + t));
        const u32 first[4] = {low.x, high.x, low.y, high.y}, second[4] = {low.z, high.z, low.w, high.w};
        uint4 b[TILES];
#pragma unroll
        for (int j = 0; j < TILES; j++) {
            b[j] = xs[j * 8 * pitch + s * 4];
        }
        // All of one k before all of the other: neighbouring instructions do not wait for each other's sums.
#pragma unroll
        for (int j = 0; j < TILES; j++) {
            mma_bf16(c[j], first, b[j].x, b[j].y);
        }
#pragma unroll
        for (int j = 0; j < TILES; j++) {
            mma_bf16(c[j], second, b[j].z, b[j].w);
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
linear_few(void* out, const act* x, const act* w, const float* bias, int rows, int n, int k, int flags) {
    extern __shared__ __align__(128) u8 memory[];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warp_n = warp % WARPS_N, warp_k = warp / WARPS_N;
    const int rank = cluster_rank(), tiles = (n + TILE_N - 1) / TILE_N, stride = gridDim.x / CLUSTER;
    const int stages = ((k + STAGE_K - 1) / STAGE_K + CLUSTER - 1) / CLUSTER;  // of a block's slice of k
    const int width = stages * STAGE_CHUNKS, pitch = width + 4;  // 64 bytes off a multiple of 128: an access's lanes meet all banks
    const int k0 = rank * stages * STAGE_K;
    const u32 ring = shared_address(memory) + warp * STAGES * STAGE_BYTES;
    uint4* xs = (uint4*)(memory + WARPS_N * WARPS_K * STAGES * STAGE_BYTES);
    float* sums = (float*)(xs + COLUMNS * pitch);
    int tile = blockIdx.x / CLUSTER, stage = warp_k, slot = 0;
    int load_tile = stage < stages ? tile : tiles, load_at = stage;  // where the loads are
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        if (load_tile < tiles) {
            load_stage(ring + i * STAGE_BYTES, w, load_tile * TILE_N + warp_n * 16, k0 + load_at * STAGE_K, n, k);
            load_at += WARPS_K;
            if (load_at >= stages) {
                load_at = warp_k;
                load_tile += stride;
            }
        }
        copy_commit();
    }
    cluster_arrive();
    wait_for_previous();
    allow_next();
    for (int r = warp; r < COLUMNS; r += WARPS_N * WARPS_K) {
        const uint4* row = (const uint4*)(x + (i64)r * k + k0);
#pragma unroll 4
        for (int i = lane; i < width; i += 32) {
            xs[r * pitch + i] = r < rows && k0 + i * 8 < k ? row[i] : make_uint4(0, 0, 0, 0);
        }
    }
    __syncthreads();
    float c[TILES][4] = {};
    while (tile < tiles) {
        int next_tile = tile, next_stage = stage + WARPS_K;
        if (next_stage >= stages) {
            next_stage = warp_k;
            next_tile += stride;
        }
        if (stage < stages) {
            copy_wait<STAGES - 2>();
            __syncwarp();  // the stage has come in for all lanes, and all have read the one before, whose place is filled now
            if (load_tile < tiles) {
                const int free = slot == 0 ? STAGES - 1 : slot - 1;
                load_stage(ring + free * STAGE_BYTES, w, load_tile * TILE_N + warp_n * 16, k0 + load_at * STAGE_K, n, k);
                load_at += WARPS_K;
                if (load_at >= stages) {
                    load_at = warp_k;
                    load_tile += stride;
                }
            }
            copy_commit();
            multiply(c, ring + slot * STAGE_BYTES, xs + (lane >> 2) * pitch + stage * STAGE_CHUNKS + (lane & 3), pitch);
            slot = slot == STAGES - 1 ? 0 : slot + 1;
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
        stage = next_stage;
    }
}
#endif
