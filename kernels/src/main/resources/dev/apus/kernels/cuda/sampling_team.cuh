// The blocks of a cluster as one team that samples a row: sums over all of them, keys in the order of likelihood, a short list that is
// sorted. A cluster of one block is a block. See sampling.cu for the defines.
#pragma once
#include "prelude.cuh"

#if CLUSTER > 1
#define SAMPLING_CLUSTER __cluster_dims__(CLUSTER, 1, 1)
#else
#define SAMPLING_CLUSTER
#endif

constexpr int WARPS = THREADS / 32;
// Values that a pass over a row counts above, at most.
constexpr int PIVOTS = 6;
// Tokens that are sorted in the shared memory of a cluster's first block: few enough to compare all pairs.
constexpr int LIST = 256;
// Ordered key of +infinity.
constexpr u32 INFINITE = 0xff800000u;

// ---- a cluster as one team -----------------------------------------------------------------------------------------------------

__shared__ u32 partial[PIVOTS][32];
__shared__ double warp_mass[WARPS];
__shared__ u32 exchanged[2][CLUSTER][PIVOTS];
__shared__ double masses[CLUSTER];
__shared__ int chosen;
__shared__ u32 chosen_bits;
__shared__ u32 list_count;
__shared__ u64 list[LIST];
__shared__ u64 ranked[LIST];

__device__ __forceinline__ u32 cluster_rank() {
    u32 rank = 0;
#if CLUSTER > 1
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
    return rank;
}

// All threads of the cluster; what they wrote is visible after it.
__device__ __forceinline__ void team_sync() {
#if CLUSTER > 1
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
    __syncthreads();
#endif
}

// Address in the cluster's window of a variable in the shared memory of one of its blocks.
__device__ __forceinline__ u32 remote(const void* p, u32 rank) {
    u32 address = shared_address(p);
#if CLUSTER > 1
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(address), "r"(rank));
#endif
    return address;
}

__device__ __forceinline__ void remote_store(u32 address, u32 v) {
#if CLUSTER > 1
    asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
#else
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
#endif
}

__device__ __forceinline__ void remote_store(u32 address, u64 v) {
#if CLUSTER > 1
    asm volatile("st.shared::cluster.u64 [%0], %1;" ::"r"(address), "l"(v) : "memory");
#else
    asm volatile("st.shared.u64 [%0], %1;" ::"r"(address), "l"(v) : "memory");
#endif
}

__device__ __forceinline__ void remote_store(u32 address, double v) {
#if CLUSTER > 1
    asm volatile("st.shared::cluster.f64 [%0], %1;" ::"r"(address), "d"(v) : "memory");
#else
    asm volatile("st.shared.f64 [%0], %1;" ::"r"(address), "d"(v) : "memory");
#endif
}

__device__ __forceinline__ u32 remote_increment(u32 address) {
    u32 old;
#if CLUSTER > 1
    asm volatile("atom.shared::cluster.add.u32 %0, [%1], 1;" : "=r"(old) : "r"(address) : "memory");
#else
    asm volatile("atom.shared.add.u32 %0, [%1], 1;" : "=r"(old) : "r"(address) : "memory");
#endif
    return old;
}

// One block's part in a row: a slice of the vocabulary, copied to values.
struct Team {
    float* values;  // [size]
    u32* marks;     // [ceil(size / 32)] bits, shared memory
    int begin, size;
    u32 rank;
    int phase;  // which of the two exchange buffers is next: a slow block may still read the other

    // Sums over the team, in all threads.
    template <int N> __device__ __forceinline__ void total(u32 (&counts)[N]) {
        static_assert(N <= PIVOTS && N <= WARPS, "a warp adds up one count");
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
        for (int q = 0; q < N; q++) {
            const u32 sum = __reduce_add_sync(0xffffffffu, counts[q]);
            if (lane == 0) {
                partial[q][warp] = sum;
            }
        }
        __syncthreads();
        if (warp < N) {
            const u32 sum = __reduce_add_sync(0xffffffffu, lane < WARPS ? partial[warp][lane] : 0);
            if (lane < CLUSTER) {
                remote_store(remote(&exchanged[phase][rank][warp], lane), sum);
            }
        }
        team_sync();
#pragma unroll
        for (int q = 0; q < N; q++) {
            counts[q] = 0;
#pragma unroll
            for (int r = 0; r < CLUSTER; r++) {
                counts[q] += exchanged[phase][r][q];
            }
        }
        phase ^= 1;
    }

    __device__ __forceinline__ u32 total(u32 count) {
        u32 counts[1] = {count};
        total(counts);
        return counts[0];
    }

    // The same bits in all threads.
    __device__ __forceinline__ float total(float sum) {
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
        sum = warp_sum(sum);
        if (lane == 0) {
            partial[0][warp] = __float_as_uint(sum);
        }
        __syncthreads();
        if (warp == 0) {
            sum = warp_sum(lane < WARPS ? __uint_as_float(partial[0][lane]) : 0.0f);
            if (lane < CLUSTER) {
                remote_store(remote(&exchanged[phase][rank][0], lane), __float_as_uint(sum));
            }
        }
        team_sync();
        sum = 0.0f;
#pragma unroll
        for (int r = 0; r < CLUSTER; r++) {
            sum += __uint_as_float(exchanged[phase][r][0]);
        }
        phase ^= 1;
        return sum;
    }

    // Largest key of the team, in all threads.
    __device__ __forceinline__ u64 largest(u64 key) {
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
        key = warp_largest(key);
        if (lane == 0) {
            partial[0][warp] = (u32)(key >> 32);
            partial[1][warp] = (u32)key;
        }
        __syncthreads();
        if (warp == 0) {
            key = warp_largest(lane < WARPS ? (u64)partial[0][lane] << 32 | partial[1][lane] : 0);
            if (lane < CLUSTER) {
                remote_store(remote(&exchanged[phase][rank][0], lane), (u32)(key >> 32));
                remote_store(remote(&exchanged[phase][rank][1], lane), (u32)key);
            }
        }
        team_sync();
        key = 0;
#pragma unroll
        for (int r = 0; r < CLUSTER; r++) {
            const u64 other = (u64)exchanged[phase][r][0] << 32 | exchanged[phase][r][1];
            key = other > key ? other : key;
        }
        phase ^= 1;
        return key;
    }

    static __device__ __forceinline__ u64 warp_largest(u64 key) {
        const u32 high = (u32)(key >> 32);
        const u32 most = __reduce_max_sync(0xffffffffu, high);
        return (u64)most << 32 | __reduce_max_sync(0xffffffffu, high == most ? (u32)key : 0);
    }
};

// ---- keys ------------------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float infinity() {
    return __int_as_float(0x7f800000);
}

// Unsigned integers in the order of floats.
__device__ __forceinline__ u32 ordered(float v) {
    const u32 bits = __float_as_uint(v);
    return bits ^ ((int)bits < 0 ? 0xffffffffu : 0x80000000u);
}

__device__ __forceinline__ float unordered(u32 key) {
    return __uint_as_float(key ^ ((int)key < 0 ? 0x80000000u : 0xffffffffu));
}

// The likelier token has the larger key, of equal ones the lower id. No two keys are equal, none is 0. Zeros of both signs are equal.
__device__ __forceinline__ u64 key_of(float v, int id) {
    return (u64)ordered(v + 0.0f) << 32 | (u32)~id;
}

__device__ __forceinline__ int id_of(u64 key) {
    return ~(int)(u32)key;
}

// ---- a short list ------------------------------------------------------------------------------------------------------------------

// Before keys are put into the list.
__device__ __forceinline__ void clear_list(Team& team) {
    if (team.rank == 0 && threadIdx.x == 0) {
        list_count = 0;
    }
    team_sync();
}

__device__ __forceinline__ void put_into_list(u64 key) {
    remote_store(remote(&list[remote_increment(remote(&list_count, 0))], 0), key);
}

// Sorts the first count keys of the list, all different, into ranked, descending. Only for a cluster's first block.
__device__ __forceinline__ void sort_list(int count) {
    for (int e = threadIdx.x; e < count; e += THREADS) {
        const u64 key = list[e];
        int before = 0;
#pragma unroll 8
        for (int other = 0; other < count; other++) {
            before += list[other] > key;
        }
        ranked[before] = key;
    }
    __syncthreads();
}
