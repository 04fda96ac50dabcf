// Samples a token per row of logits: log-probabilities of the raw logits, allowed and banned ids, bias, penalties, then the likeliest
// token or a draw under temperature, top-k, top-p and min-p. The order and meaning are those of the CPU's CpuSampler and TokenDraw.
//
// A row belongs to a cluster of CLUSTER blocks, each of which reads its slice of the vocabulary once and works on a copy in shared memory,
// so the logits stay as they are. Thresholds of top-k and top-p are found by counting above a few pivots a pass, narrowing a bracket of
// float bits: no sort, no rejection, one random number a draw. All sums are in a fixed order that depends on the vocabulary alone: a
// row's token does not depend on the batch it is in.
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
constexpr int WORDS = 2 * PIVOTS;
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

__shared__ u32 partial[WARPS][WORDS];
__shared__ double warp_mass[WARPS];
__shared__ u32 exchanged[2][CLUSTER][WORDS];
__shared__ double masses[CLUSTER];
__shared__ int chosen;
__shared__ u32 found_count;
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

    // Sums over the team, the same bits in all threads.
    template <int COUNTS, int SUMS> __device__ __forceinline__ void total(u32 (&counts)[COUNTS], float (&sums)[SUMS]) {
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
        for (int q = 0; q < COUNTS; q++) {
            counts[q] = __reduce_add_sync(0xffffffffu, counts[q]);
        }
#pragma unroll
        for (int q = 0; q < SUMS; q++) {
            sums[q] = warp_sum(sums[q]);
        }
        if (lane == 0) {
#pragma unroll
            for (int q = 0; q < COUNTS; q++) {
                partial[warp][q] = counts[q];
            }
#pragma unroll
            for (int q = 0; q < SUMS; q++) {
                partial[warp][PIVOTS + q] = __float_as_uint(sums[q]);
            }
        }
        __syncthreads();
        if (warp == 0) {
#pragma unroll
            for (int q = 0; q < COUNTS; q++) {
                const u32 all = __reduce_add_sync(0xffffffffu, lane < WARPS ? partial[lane][q] : 0);
                if (lane < CLUSTER) {
                    remote_store(remote(&exchanged[phase][rank][q], lane), all);
                }
            }
#pragma unroll
            for (int q = 0; q < SUMS; q++) {
                const float all = warp_sum(lane < WARPS ? __uint_as_float(partial[lane][PIVOTS + q]) : 0.0f);
                if (lane < CLUSTER) {
                    remote_store(remote(&exchanged[phase][rank][PIVOTS + q], lane), __float_as_uint(all));
                }
            }
        }
        team_sync();
#pragma unroll
        for (int q = 0; q < COUNTS; q++) {
            counts[q] = 0;
#pragma unroll
            for (int r = 0; r < CLUSTER; r++) {
                counts[q] += exchanged[phase][r][q];
            }
        }
#pragma unroll
        for (int q = 0; q < SUMS; q++) {
            sums[q] = 0.0f;
#pragma unroll
            for (int r = 0; r < CLUSTER; r++) {
                sums[q] += __uint_as_float(exchanged[phase][r][PIVOTS + q]);
            }
        }
        phase ^= 1;
    }

    __device__ __forceinline__ float total(float sum) {
        u32 none[1] = {0};
        float sums[1] = {sum};
        total(none, sums);
        return sums[0];
    }

    __device__ __forceinline__ u32 total(u32 count) {
        u32 counts[1] = {count};
        float none[1] = {0.0f};
        total(counts, none);
        return counts[0];
    }

    // Largest key of the team, in all threads.
    __device__ __forceinline__ u64 largest(u64 key) {
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
        key = warp_largest(key);
        if (lane == 0) {
            partial[warp][0] = (u32)(key >> 32);
            partial[warp][1] = (u32)key;
        }
        __syncthreads();
        if (warp == 0) {
            key = warp_largest(lane < WARPS ? (u64)partial[lane][0] << 32 | partial[lane][1] : 0);
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

// Number in [0, 1) that belongs to a seed and a position: Philox 4x32-10 (Salmon et al. 2011), the first 53 bits of its output.
__device__ __forceinline__ double uniform(u64 seed, u32 position) {
    u32 c0 = position, c1 = 0, c2 = 0, c3 = 0;
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

// A key below those of exactly the n likeliest tokens, n < vocab.
__device__ __forceinline__ u64 below_likeliest(Team& team, u32 n, u64 largest) {
    u64 low = 0, high = largest;  // more than or as many as n keys are above low, fewer above high
    bool first = true;
    const float max = unordered((u32)(largest >> 32));
    while (true) {
        u64 pivot[PIVOTS];
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            // The first guesses are distances from the likeliest that split the usual distributions; then even steps.
            constexpr float DEPTH[PIVOTS] = {16.0f, 8.0f, 4.0f, 1.5f};
            pivot[q] = first ? (u64)ordered(max - DEPTH[q]) << 32 : low + (high - low) / (PIVOTS + 1) * (q + 1);
            if (!first && high - low <= PIVOTS) {
                pivot[q] = low + (q + 1 < high - low ? q + 1 : high - low - 1);
            }
        }
        first = false;
        u32 counts[PIVOTS] = {};
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const u64 key = key_of(team.values[j], team.begin + j);
            if (key > pivot[0]) {
#pragma unroll
                for (int q = 0; q < PIVOTS; q++) {
                    counts[q] += key > pivot[q];
                }
            }
        }
        float none[1] = {0.0f};
        team.total(counts, none);
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            if (counts[q] == n) {
                return pivot[q];
            }
            if (counts[q] > n) {
                low = pivot[q];
            }
        }
#pragma unroll
        for (int q = PIVOTS - 1; q >= 0; q--) {
            if (counts[q] < n) {
                high = pivot[q];
            }
        }
    }
}

// Writes the n likeliest tokens, descending.
__device__ __forceinline__ void top_tokens(Team& team, const Args& args, int n, u64 largest, float log_sum) {
    const u64 low = n < args.vocab ? below_likeliest(team, n, largest) : 0;
    if (team.rank == 0 && threadIdx.x == 0) {
        found_count = 0;
    }
    team_sync();
    u64* found = args.found + row.top;
    const u32 counter = remote(&found_count, 0);
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const u64 key = key_of(team.values[j], team.begin + j);
        if (key > low) {
            found[remote_increment(counter)] = key;
        }
    }
    team_sync();
    Top* top = (Top*)args.results + row.top;
    for (int e = team.rank * THREADS + threadIdx.x; e < n; e += CLUSTER * THREADS) {
        const u64 key = found[e];
        int rank = 0;
#pragma unroll 4
        for (int other = 0; other < n; other++) {
            rank += found[other] > key;
        }
        top[rank].id = id_of(key);
        top[rank].logprob = unordered((u32)(key >> 32)) - log_sum;
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

// Bits below those of the weights that remain: of a top-k where MASS is false (all weights for which fewer than k are larger, so ties
// of the k-th remain), of a top-p where it is true (all for which the larger ones sum to less than wanted).
template <bool MASS> __device__ __forceinline__ int below_kept(Team& team, int low, u32 k, float wanted) {
    int high = ONE;  // the weights above low suffice, those above high do not
    u32 above_low = 0xffffffffu, above_high = 0;
    bool first = true;
    while (high - low > 1 && above_low - above_high != 1) {
        int pivot[PIVOTS];
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            // The first guesses split the usual distributions; then even steps of bits, about even in the logarithm.
            constexpr float WEIGHT[PIVOTS] = {3e-4f, 4e-3f, 4e-2f, 3e-1f};
            pivot[q] = first ? max(low, __float_as_int(WEIGHT[q])) : low + (int)((u64)(u32)(high - low) * (q + 1) / (PIVOTS + 1));
        }
        first = false;
        u32 counts[PIVOTS] = {};
        float sums[MASS ? PIVOTS : 1] = {};
#pragma unroll 4
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const float weight = team.values[j];
            const int bits = __float_as_int(weight);
            if (bits > pivot[0]) {
#pragma unroll
                for (int q = 0; q < PIVOTS; q++) {
                    if (bits > pivot[q]) {
                        counts[q]++;
                        if (MASS) {
                            sums[q] += weight;
                        }
                    }
                }
            }
        }
        team.total(counts, sums);
        // Suffices is true up to some pivot, false behind it.
        const int before = low;
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            if (MASS ? sums[q] >= wanted : counts[q] >= k) {
                low = pivot[q];
                above_low = counts[q];
            }
        }
#pragma unroll
        for (int q = PIVOTS - 1; q >= 0; q--) {
            if (!(MASS ? sums[q] >= wanted : counts[q] >= k) && pivot[q] > before) {
                high = pivot[q];
                above_high = counts[q];
            }
        }
        if (!MASS && above_low == k) {
            break;
        }
    }
    return low;
}

// Draws among the weights whose bits are above low. Every thread gets the id.
__device__ __forceinline__ int draw_above(Team& team, int low, double u) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    float mine = 0.0f;
#pragma unroll 4
    for (int j = threadIdx.x; j < team.size; j += THREADS) {
        const float weight = team.values[j];
        mine += __float_as_int(weight) > low ? weight : 0.0f;
    }
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
    double before = 0.0, mass = 0.0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        before = w == warp ? mass : before;
        mass += warp_mass[w];
    }
    if (threadIdx.x < CLUSTER) {
        remote_store(remote(&masses[team.rank], threadIdx.x), mass);
    }
    team_sync();
    double block_start = 0.0, block_end = 0.0, all = 0.0;
#pragma unroll
    for (int r = 0; r < CLUSTER; r++) {
        block_start = r == team.rank ? all : block_start;
        all += masses[r];
        block_end = r == team.rank ? all : block_end;
    }
    double target = u * all;
    if (target >= block_start && target < block_end) {
        // The difference may round up to the block's mass, which no thread holds.
        target = fmin(target - block_start, mass * (1.0 - 0x1p-52));
        if (target >= before + start && target < before + end) {
            double sum = before + start;
            int last = 0;
            for (int j = threadIdx.x; j < team.size; j += THREADS) {
                const float weight = team.values[j];
                if (__float_as_int(weight) > low && weight > 0.0f) {
                    last = team.begin + j;
                    sum += weight;
                    if (target < sum) {
                        break;
                    }
                }
            }
#pragma unroll
            for (int r = 0; r < CLUSTER; r++) {
                remote_store(remote(&chosen, r), (u32)last);
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
    const bool limited = row.top_k > 0 && row.top_k < args.vocab;
    int low = -1;
    if (limited) {
        low = below_kept<false>(team, low, row.top_k, 0.0f);
    }
    if (row.min_p > 0.0f) {
        low = ::max(low, __float_as_int(fminf(row.min_p, 1.0f)) - 1);
    }
    if (row.top_p < 1.0f) {
        if (low >= 0) {
            sum = 0.0f;
            for (int j = threadIdx.x; j < team.size; j += THREADS) {
                const float weight = team.values[j];
                sum += __float_as_int(weight) > low ? weight : 0.0f;
            }
        }
        // However small p is, the likeliest stays.
        const float wanted = fmaxf(team.total(sum) * row.top_p, 1e-30f);
        low = below_kept<true>(team, low, 0, wanted);
    }
    return draw_above(team, low, uniform(row.seed, row.position));
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
    u64 best = load_row<true>(team, logits, args.vocab);
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
        rank = rank_of(team, logits, value, id);
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
