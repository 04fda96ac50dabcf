// Samples a token per row of logits: log-probabilities of the raw logits, allowed and banned ids, bias, penalties, then the likeliest
// token or a draw under temperature, top-k, top-p and min-p. The order and meaning are those of the CPU's CpuSampler and TokenDraw.
//
// A row belongs to a cluster of CLUSTER blocks, each of which reads its slice of the vocabulary once and works on a copy in shared memory,
// so the logits stay as they are. Nothing is sorted but short lists: top-k and the likeliest tokens are found by counting above a few
// pivots a pass, narrowing a bracket of keys; top-p by rejection (as FlashInfer): a token is drawn from all that remain and accepted if the
// likelier ones weigh less than p, which a second draw is rarely needed for, else it and all less likely ones are dropped. All sums are
// in a fixed order that depends on the vocabulary alone: a row's token does not depend on the batch it is in.
//
// Defines: CLUSTER blocks of a row: 8 from sm_90, else 1; THREADS of a block; RESIDENT the copy is in shared memory, else in scratch.
#include "prelude.cuh"

#if CLUSTER > 1
#define SAMPLING_CLUSTER __cluster_dims__(CLUSTER, 1, 1)
#else
#define SAMPLING_CLUSTER
#endif

constexpr int WARPS = THREADS / 32;
constexpr int PIVOTS = 4;
// Tokens that are sorted in the shared memory of a cluster's first block; two a thread at most, and few enough to compare all pairs.
constexpr int LIST = 256;
// Temperatures below it are greedy, as in vLLM.
constexpr float GREEDY = 1e-5f;
constexpr int ONE = 0x3f800000;             // bits of 1.0f
constexpr u32 INFINITE = 0xff800000u;       // ordered key of +infinity
constexpr int NOT_OWNER = 0x7fffffff;       // a NaN: no adjusted logit
constexpr float LOG2E = 1.44269504088896341f;

// What a row is sampled with; mirrors SamplingBlock. Lists are offsets in ints from the start of the block.
struct Row {
    u64 seed;
    int row;
    int position;
    float temperature;
    int top_k;  // 0: all
    float top_p, min_p;
    float repetition, presence, frequency;
    int forced;    // id to report on, -1: draw
    int logprobs;  // -1 none, 0 of the sampled id, n of the n likeliest too
    int top;       // where these go in the result block, in units of 8 bytes
    int history, history_length, prompt_length;
    int bias, bias_length;  // ids, then as many values
    int banned, banned_length;
    int allowed, allowed_length;  // words of 32 bits; length -1: all ids are allowed
    int pad;
};

// Mirrors SamplingBlock.
struct Result {
    int id;
    float logprob;
    int rank;
    int corrupted;
};

struct Top {
    int id;
    float logprob;
};

struct Args {
    const float* logits;  // [rows, vocab]
    const Row* rows;      // [count], then the lists
    Result* results;      // [count], then the likeliest tokens
    int* sampled;         // [count] drawn ids
    const int* previous;  // ids that the step before drew: -1 - i in a history
    float* saved;         // scratch as long as the block of rows: logits before the penalties
    u64* found;           // scratch as long as the results
    float* values;        // scratch [row blocks, vocab rounded up]; RESIDENT: unused
    int vocab;
    int count;
};

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
__shared__ Row row;

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

// ---- random numbers ----------------------------------------------------------------------------------------------------------------

// Number in [0, 1) of an attempt to draw the token at a position: Philox 4x32-10 (Salmon et al. 2011), the first 53 bits of its output.
__device__ __forceinline__ double uniform(u64 seed, u32 position, u32 attempt) {
    u32 c0 = position, c1 = attempt, c2 = 0, c3 = 0;
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u32 high0 = __umulhi(0xd2511f53u, c0), low0 = 0xd2511f53u * c0;
        const u32 high1 = __umulhi(0xcd9e8d57u, c2), low1 = 0xcd9e8d57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return (double)(((u64)c0 << 32 | c1) >> 11) * 0x1p-53;
}

// ---- reading a row -----------------------------------------------------------------------------------------------------------------

struct Best {
    float value;
    int id;
    bool bad;  // NaN or +infinity seen

    __device__ __forceinline__ void see(float v, int i) {
        bad |= !(v <= 3.402823466e38f);
        if (v > value) {
            value = v;
            id = i;
        }
    }
};

// Key of the likeliest token of the row; at least that of +infinity where the row is corrupted. KEEP copies the slice to values.
template <bool KEEP> __device__ __forceinline__ u64 load_row(Team& team, const float* row, int vocab) {
    Best best = {-infinity(), 0x7fffffff, false};
    const float* slice = row + team.begin;
    if (vocab % 4 == 0) {
        // Several loads a thread in flight hide the way to memory.
        constexpr int AHEAD = 4;
        for (int j = threadIdx.x * 4; j < team.size; j += THREADS * 4 * AHEAD) {
            float4 v[AHEAD];
#pragma unroll
            for (int a = 0; a < AHEAD; a++) {
                if (j + a * THREADS * 4 < team.size) {
                    v[a] = *(const float4*)(slice + j + a * THREADS * 4);
                }
            }
#pragma unroll
            for (int a = 0; a < AHEAD; a++) {
                const int at = j + a * THREADS * 4;
                if (at < team.size) {
                    best.see(v[a].x, at);
                    best.see(v[a].y, at + 1);
                    best.see(v[a].z, at + 2);
                    best.see(v[a].w, at + 3);
                    if (KEEP) {
                        *(float4*)(team.values + at) = v[a];
                    }
                }
            }
        }
    } else {
#pragma unroll 8
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const float v = slice[j];
            best.see(v, j);
            if (KEEP) {
                team.values[j] = v;
            }
        }
    }
    u64 key = best.id == 0x7fffffff ? 0 : key_of(best.value, team.begin + best.id);
    if (best.bad) {
        key = (u64)INFINITE << 32;
    }
    return team.largest(key);
}

// Key of the likeliest adjusted value; 0 where all are -infinity.
__device__ __forceinline__ u64 likeliest(Team& team) {
    u64 key = 0;
#pragma unroll 4
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const float v = team.values[j];
        if (v > -infinity()) {
            const u64 other = key_of(v, team.begin + j);
            key = other > key ? other : key;
        }
    }
    return team.largest(key);
}

// ---- log-probabilities ---------------------------------------------------------------------------------------------------------------

// Natural logarithm of the sum of the exponentials of values.
__device__ __forceinline__ float log_sum(Team& team, float max) {
    float sum = 0.0f;
#pragma unroll 4
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        sum += __expf(team.values[j] - max);
    }
    return max + logf(team.total(sum));
}

// A key below those of the n likeliest tokens, n < vocab, and of no others or so few that all of them fit the list; sets above to how many.
__device__ __forceinline__ u64 below_likeliest(Team& team, u32 n, u64 largest, u32& above) {
    u64 low = 0, high = largest;  // n keys or more are above low, fewer above high
    bool first = true;
    const float max = unordered((u32)(largest >> 32));
    while (true) {
        u64 pivot[PIVOTS];
        u32 counts[PIVOTS] = {};
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            // The first guesses are distances from the likeliest that split the usual distributions; then even steps.
            constexpr float DEPTH[PIVOTS] = {12.0f, 7.0f, 4.0f, 1.5f};
            pivot[q] = first ? (u64)ordered(max - DEPTH[q]) << 32 : low + (high - low) / (PIVOTS + 1) * (q + 1);
            if (!first && high - low <= PIVOTS) {
                pivot[q] = low + (q + 1 < high - low ? q + 1 : high - low - 1);
            }
        }
        first = false;
#pragma unroll 4
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const u64 key = key_of(team.values[j], team.begin + j);
            if (key > pivot[0]) {
#pragma unroll
                for (int q = 0; q < PIVOTS; q++) {
                    counts[q] += key > pivot[q];
                }
            }
        }
        team.total(counts);
#pragma unroll
        for (int q = PIVOTS - 1; q >= 0; q--) {
            if (counts[q] < n) {
                high = pivot[q];
            }
        }
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            if (counts[q] >= n) {
                low = pivot[q];
                above = counts[q];
            }
        }
        if (above == n || above <= LIST) {
            return low;
        }
    }
}

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

// Writes the n likeliest tokens, descending.
__device__ __forceinline__ void top_tokens(Team& team, const Args& args, int n, u64 largest, float log_sum) {
    u32 above = args.vocab;
    const u64 low = n < args.vocab ? below_likeliest(team, n, largest, above) : 0;
    const auto write = [&](int rank, u64 key) {
        Top* top = (Top*)args.results + row.top;
        top[rank].id = id_of(key);
        top[rank].logprob = unordered((u32)(key >> 32)) - log_sum;
    };
    clear_list(team);
    u64* found = args.found + row.top;
    const u32 counter = remote(&list_count, 0);
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const u64 key = key_of(team.values[j], team.begin + j);
        if (key > low) {
            if (above <= LIST) {
                put_into_list(key);
            } else {
                found[remote_increment(counter)] = key;
            }
        }
    }
    team_sync();
    if (above > LIST) {
        // As many as are wanted, but many: every pair is compared, by all blocks.
        for (int e = team.rank * THREADS + threadIdx.x; e < n; e += CLUSTER * THREADS) {
            const u64 key = found[e];
            int before = 0;
#pragma unroll 4
            for (int other = 0; other < n; other++) {
                before += found[other] > key;
            }
            write(before, key);
        }
    } else if (team.rank == 0) {
        sort_list(above);
        for (int e = threadIdx.x; e < n; e += THREADS) {
            write(e, ranked[e]);
        }
    }
}

// 1 plus the tokens that come before id in the raw row.
__device__ __forceinline__ u32 rank_of(Team& team, const float* logits, float value, int id) {
    const u64 mine = key_of(value, id);
    u32 before = 0;
#pragma unroll 4
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        before += key_of(logits[team.begin + j], team.begin + j) > mine;
    }
    return 1 + team.total(before);
}

// ---- adjustments ------------------------------------------------------------------------------------------------------------------------

// Applies the penalties once per distinct token of the history that lies in the slice. Its value is saved beside the history's entry that
// comes first, and the value's place counts its occurrences in the output meanwhile.
__device__ __forceinline__ void penalise(Team& team, const Args& args, const int* block) {
    for (int w = threadIdx.x; w * 32 < team.size; w += THREADS) {
        team.marks[w] = 0;
    }
    __syncthreads();
    const int* history = block + row.history;
    float* saved = args.saved + row.history;
    const auto place = [&](int e) {
        const int id = history[e];
        return (id >= 0 ? id : args.previous[-1 - id]) - team.begin;
    };
    int* counts = (int*)team.values;
    for (int e = threadIdx.x; e < row.history_length; e += THREADS) {
        const int j = place(e);
        if (j >= 0 && j < team.size) {
            const u32 bit = 1u << (j & 31);
            if ((atomicOr(&team.marks[j >> 5], bit) & bit) == 0) {
                saved[e] = team.values[j];
                counts[j] = 0;
            } else {
                saved[e] = __int_as_float(NOT_OWNER);
            }
        }
    }
    __syncthreads();
    for (int e = threadIdx.x; e < row.history_length; e += THREADS) {
        const int j = place(e);
        if (e >= row.prompt_length && j >= 0 && j < team.size) {
            atomicAdd(&counts[j], 1);
        }
    }
    __syncthreads();
    for (int e = threadIdx.x; e < row.history_length; e += THREADS) {
        const int j = place(e);
        if (j >= 0 && j < team.size && __float_as_int(saved[e]) != NOT_OWNER) {
            const int occurrences = counts[j];
            float v = saved[e];
            v = v > 0.0f ? __fdiv_rn(v, row.repetition) : __fmul_rn(v, row.repetition);
            v = __fsub_rn(v, __fmul_rn(row.frequency, (float)occurrences));
            team.values[j] = occurrences > 0 ? __fsub_rn(v, row.presence) : v;
        }
    }
    __syncthreads();
}

__device__ __forceinline__ void adjust(Team& team, const Args& args) {
    const int* block = (const int*)args.rows;
    if (row.allowed_length >= 0) {
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const int id = team.begin + j;
            const u32 word = id >> 5 < row.allowed_length ? (u32)block[row.allowed + (id >> 5)] : 0;
            if ((word >> (id & 31) & 1) == 0) {
                team.values[j] = -infinity();
            }
        }
        __syncthreads();
    }
    for (int e = threadIdx.x; e < row.banned_length; e += THREADS) {
        const int j = block[row.banned + e] - team.begin;
        if (j >= 0 && j < team.size) {
            team.values[j] = -infinity();
        }
    }
    __syncthreads();
    for (int e = threadIdx.x; e < row.bias_length; e += THREADS) {
        const int j = block[row.bias + e] - team.begin;
        if (j >= 0 && j < team.size) {
            atomicAdd(&team.values[j], __int_as_float(block[row.bias + row.bias_length + e]));
        }
    }
    __syncthreads();
    if (row.history_length > 0) {
        penalise(team, args, block);
    }
}

// ---- draws ---------------------------------------------------------------------------------------------------------------------------------

// Bits below those of the k largest weights and of those equal to the k-th: the weights of a top-k. Where above, which is set to the number
// of weights above these bits, fits the list, further ones may be among them.
__device__ __forceinline__ int below_top_k(Team& team, u32 k, u32& above) {
    int low = -1, high = ONE;  // k weights or more are above low, fewer above high
    u32 above_high = 0;
    above = 0xffffffffu;
    bool first = true;
    while (high - low > 1 && above != k && above > LIST && above - above_high != 1) {
        int pivot[PIVOTS];
        u32 counts[PIVOTS] = {};
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            // The first guesses split the usual distributions; then even steps of bits, about even in the logarithm.
            constexpr float WEIGHT[PIVOTS] = {3e-4f, 4e-3f, 4e-2f, 3e-1f};
            pivot[q] = first ? __float_as_int(WEIGHT[q]) : low + (int)((u64)(u32)(high - low) * (q + 1) / (PIVOTS + 1));
        }
        first = false;
#pragma unroll 4
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const int bits = __float_as_int(team.values[j]);
            if (bits > pivot[0]) {
#pragma unroll
                for (int q = 0; q < PIVOTS; q++) {
                    counts[q] += bits > pivot[q];
                }
            }
        }
        team.total(counts);
        const int before = low;
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            if (counts[q] >= k) {
                low = pivot[q];
                above = counts[q];
            }
        }
#pragma unroll
        for (int q = PIVOTS - 1; q >= 0; q--) {
            if (counts[q] < k && pivot[q] > before) {
                high = pivot[q];
                above_high = counts[q];
            }
        }
    }
    return low;
}

// Draws among the weights above low, whose sum in this thread is mine. Every thread gets the id and the bits of its weight; mass is set
// to the sum of the weights.
__device__ __forceinline__ int draw_above(Team& team, int low, float mine, double u, double& mass, int& bits) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    double end = mine;
#pragma unroll
    for (int offset = 1; offset < 32; offset <<= 1) {
        const double other = __shfl_up_sync(0xffffffffu, end, offset);
        end += lane >= offset ? other : 0.0;
    }
    double start = __shfl_up_sync(0xffffffffu, end, 1);
    start = lane == 0 ? 0.0 : start;
    if (lane == 31) {
        warp_mass[warp] = end;
    }
    __syncthreads();
    // The ends of one thread, warp and block are, to the bit, the starts of the next: exactly one thread holds the target.
    double before = 0.0, block_mass = 0.0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        before = w == warp ? block_mass : before;
        block_mass += warp_mass[w];
    }
    if (threadIdx.x < CLUSTER) {
        remote_store(remote(&masses[team.rank], threadIdx.x), block_mass);
    }
    team_sync();
    double block_start = 0.0, block_end = 0.0;
    mass = 0.0;
#pragma unroll
    for (int r = 0; r < CLUSTER; r++) {
        block_start = r == team.rank ? mass : block_start;
        mass += masses[r];
        block_end = r == team.rank ? mass : block_end;
    }
    double target = u * mass;
    if (target >= block_start && target < block_end) {
        // The difference may round up to the block's mass, which no thread holds.
        target = fmin(target - block_start, block_mass * (1.0 - 0x1p-52));
        if (target >= before + start && target < before + end) {
            double sum = before + start;
            int last = 0;
            for (int j = threadIdx.x; j < team.size; j += THREADS) {
                const float weight = team.values[j];
                if (__float_as_int(weight) > low && weight > 0.0f) {
                    last = j;
                    sum += weight;
                    if (target < sum) {
                        break;
                    }
                }
            }
#pragma unroll
            for (int r = 0; r < CLUSTER; r++) {
                remote_store(remote(&chosen, r), (u32)(team.begin + last));
                remote_store(remote(&chosen_bits, r), __float_as_uint(team.values[last]));
            }
        }
    }
    team_sync();
    bits = (int)chosen_bits;
    return chosen;
}

// Sum in this thread of the weights above low.
__device__ __forceinline__ float sum_above(const Team& team, int low) {
    float sum = 0.0f;
#pragma unroll 8
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const float weight = team.values[j];
        sum += __float_as_int(weight) > low ? weight : 0.0f;
    }
    return sum;
}

// Draws among the weights above low, or a top-p of them; mine as draw_above has it.
__device__ __forceinline__ int draw_from_row(Team& team, int low, float mine) {
    float wanted = 0.0f;
    for (u32 attempt = 0;; attempt++) {
        double mass;
        int bits;
        const int id = draw_above(team, low, mine, uniform(row.seed, row.position, attempt), mass, bits);
        if (row.top_p >= 1.0f) {
            return id;
        }
        if (attempt == 0) {
            wanted = (float)(mass * row.top_p);
        }
        mine = sum_above(team, bits);
        const float likelier = team.total(mine);
        if (likelier < wanted || likelier == 0.0f) {
            return id;
        }
        low = bits;
    }
}

// Draws among the count weights above low, which are few: top-k, min-p and top-p on a sorted list, by one warp.
__device__ __forceinline__ int draw_from_list(Team& team, int low, int count, int least) {
    clear_list(team);
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const int bits = __float_as_int(team.values[j]);
        if (bits > low) {
            put_into_list((u64)(u32)bits << 32 | (u32)~(team.begin + j));
        }
    }
    team_sync();
    if (team.rank == 0) {
        sort_list(count);
        if (threadIdx.x < 32) {
            constexpr int EACH = LIST / 32;
            const int lane = threadIdx.x;
            const int kth = (int)(ranked[min(row.top_k, count) - 1] >> 32);
            const int first = max(kth, least);
            const auto weight = [&](int i) {
                const int e = lane * EACH + i;
                const int bits = e < count ? (int)(ranked[e] >> 32) : -1;
                return bits >= first ? __int_as_float(bits) : 0.0f;
            };
            double sum = 0.0;
            for (int i = 0; i < EACH; i++) {
                sum += weight(i);
            }
            double start = sum;
#pragma unroll
            for (int offset = 1; offset < 32; offset <<= 1) {
                const double other = __shfl_up_sync(0xffffffffu, start, offset);
                start += lane >= offset ? other : 0.0;
            }
            const double mass = __shfl_sync(0xffffffffu, start, 31);
            start -= sum;
            // A token stays while those before it weigh less than p; the first always does.
            const double wanted = row.top_p < 1.0f ? fmax(mass * row.top_p, 1e-300) : mass * 2.0;
            double kept = 0.0, end = start;
            for (int i = 0; i < EACH; i++) {
                const float w = weight(i);
                const bool stays = w > 0.0f && end < wanted;
                end += w;
                kept = stays ? end : kept;
            }
#pragma unroll
            for (int mask = 16; mask > 0; mask >>= 1) {
                kept = fmax(kept, __shfl_xor_sync(0xffffffffu, kept, mask));
            }
            // The first token whose end lies behind the target; rounding may leave none but the last one kept.
            const double target = uniform(row.seed, row.position, 0) * kept;
            int mine = LIST;
            end = start;
            for (int i = 0; i < EACH; i++) {
                const float w = weight(i);
                end += w;
                if (w > 0.0f && mine == LIST && (end > target || end >= kept)) {
                    mine = lane * EACH + i;
                }
            }
            mine = __reduce_min_sync(0xffffffffu, mine);
            if (lane < CLUSTER) {
                remote_store(remote(&chosen, lane), (u32)id_of(ranked[mine]));
            }
        }
    }
    team_sync();
    return chosen;
}

// Draws from values, which become weights relative to the likeliest.
__device__ __forceinline__ int draw(Team& team, const Args& args, float max) {
    const float factor = LOG2E / row.temperature;
    float sum = 0.0f;
#pragma unroll 4
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const float weight = exp2f((team.values[j] - max) * factor);
        team.values[j] = weight;
        sum += weight;
    }
    const int least = row.min_p > 0.0f ? __float_as_int(fminf(row.min_p, 1.0f)) : 0;
    int low = least - 1;
    if (row.top_k > 0 && row.top_k < args.vocab) {
        u32 above;
        const int below = below_top_k(team, row.top_k, above);
        if (above <= LIST) {
            return draw_from_list(team, below, above, least);
        }
        low = ::max(low, below);
    }
    return draw_from_row(team, low, low < 0 ? sum : sum_above(team, low));
}

// ---- kernels -------------------------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ Team make_team(int vocab) {
    Team team;
    const int slice = (vocab + CLUSTER * 4 - 1) / (CLUSTER * 4) * 4;
    team.rank = cluster_rank();
    team.begin = min((int)team.rank * slice, vocab);
    team.size = min(slice, vocab - team.begin);
    team.phase = 0;
    return team;
}

__device__ __forceinline__ void publish(const Args& args, int i, int id, bool corrupted, float logprob, u32 rank) {
    args.sampled[i] = id;
    args.results[i] = {id, logprob, (int)rank, corrupted};
}

// Rows that are all greedy, with nothing else asked for. Grid: CLUSTER * count.
extern "C" __global__ void SAMPLING_CLUSTER __launch_bounds__(THREADS) sample_greedy(Args args) {
    allow_next();
    Team team = make_team(args.vocab);
    // No block may write to another's shared memory before that one runs.
    team_sync();
    wait_for_previous();
    const int i = blockIdx.x / CLUSTER;
    const u64 best = load_row<false>(team, args.logits + (i64)args.rows[i].row * args.vocab, args.vocab);
    if (team.rank == 0 && threadIdx.x == 0) {
        const u32 key = (u32)(best >> 32);
        const bool corrupted = key >= INFINITE || key <= ordered(-infinity());
        publish(args, i, corrupted ? 0 : id_of(best), corrupted, 0.0f, 0);
    }
}

__device__ __forceinline__ void sample_row(Team& team, const Args& args, int i) {
    if (threadIdx.x < sizeof(Row) / 4) {
        ((u32*)&row)[threadIdx.x] = ((const u32*)(args.rows + i))[threadIdx.x];
    }
    __syncthreads();
    const float* logits = args.logits + (i64)row.row * args.vocab;
    const u64 raw = load_row<true>(team, logits, args.vocab);
    u64 best = raw;
    u32 key = (u32)(best >> 32);
    const bool first = team.rank == 0 && threadIdx.x == 0;
    if (key >= INFINITE || (row.logprobs >= 0 && key <= ordered(-infinity()))) {
        if (first) {
            publish(args, i, 0, true, 0.0f, 0);
        }
        return;
    }
    float sum = 0.0f;
    if (row.logprobs >= 0) {
        sum = log_sum(team, unordered(key));
        if (row.logprobs > 0) {
            top_tokens(team, args, min(row.logprobs, args.vocab), best, sum);
        }
    }
    int id = row.forced;
    if (id < 0) {
        if (row.allowed_length >= 0 || row.banned_length > 0 || row.bias_length > 0 || row.history_length > 0) {
            __syncthreads();
            adjust(team, args);
            best = likeliest(team);
            key = (u32)(best >> 32);
        }
        if (key <= ordered(-infinity())) {
            // Every token is banned: there is nothing to draw.
            if (first) {
                publish(args, i, 0, true, 0.0f, 0);
            }
            return;
        }
        // A bias may be +infinity: it forces its token.
        id = row.temperature < GREEDY || key >= INFINITE ? id_of(best) : draw(team, args, unordered(key));
    }
    float logprob = 0.0f;
    u32 rank = 0;
    if (row.logprobs >= 0) {
        const float value = logits[id];
        logprob = value - sum;
        rank = id == id_of(raw) ? 1 : rank_of(team, logits, value, id);
    }
    if (first) {
        publish(args, i, id, false, logprob, rank);
    }
}

// Rows of any kind. Grid: CLUSTER * min(count, row blocks). Dynamic shared memory: a slice if RESIDENT, then its marks.
extern "C" __global__ void SAMPLING_CLUSTER __launch_bounds__(THREADS, 1024 / THREADS) sample_rows(Args args) {
    extern __shared__ __align__(16) float shared[];
    allow_next();
    Team team = make_team(args.vocab);
    const int slice = (args.vocab + CLUSTER * 4 - 1) / (CLUSTER * 4) * 4;
#if RESIDENT
    team.values = shared;
    team.marks = (u32*)(shared + slice);
#else
    team.values = args.values + (i64)blockIdx.x * slice;
    team.marks = (u32*)shared;
#endif
    team_sync();
    wait_for_previous();
    for (int i = blockIdx.x / CLUSTER; i < args.count; i += gridDim.x / CLUSTER) {
        sample_row(team, args, i);
        // The next row's copy overwrites what slow threads still read.
        team_sync();
    }
}
