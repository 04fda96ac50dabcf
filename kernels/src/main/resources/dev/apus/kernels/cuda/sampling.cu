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
#include "sampling_draw.cuh"

// Temperatures below it are greedy, as in vLLM.
constexpr float GREEDY = 1e-5f;
// A NaN, which no logit is.
constexpr int NOT_OWNER = 0x7fffffff;
// Pivots of a pass over keys, which take two registers each.
constexpr int GUESSES = 4;

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
        u64 pivot[GUESSES];
        u32 counts[GUESSES] = {};
#pragma unroll
        for (int q = 0; q < GUESSES; q++) {
            // The first guesses are distances from the likeliest that split the usual distributions; then even steps.
            constexpr float DEPTH[GUESSES] = {12.0f, 7.0f, 4.0f, 1.5f};
            pivot[q] = first ? (u64)ordered(max - DEPTH[q]) << 32 : low + (high - low) / (GUESSES + 1) * (q + 1);
            if (!first && high - low <= GUESSES) {
                pivot[q] = low + (q + 1 < high - low ? q + 1 : high - low - 1);
            }
        }
        first = false;
#pragma unroll 4
        for (int j = threadIdx.x; j < team.size; j += THREADS) {
            const u64 key = key_of(team.values[j], team.begin + j);
            if (key > pivot[0]) {
#pragma unroll
                for (int q = 0; q < GUESSES; q++) {
                    counts[q] += key > pivot[q];
                }
            }
        }
        team.total(counts);
#pragma unroll
        for (int q = GUESSES - 1; q >= 0; q--) {
            if (counts[q] < n) {
                high = pivot[q];
            }
        }
#pragma unroll
        for (int q = 0; q < GUESSES; q++) {
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

// Writes the tokens that the row names, in its order.
__device__ __forceinline__ void named_tokens(Team& team, const Args& args, const float* logits, int n, float log_sum) {
    const int* ids = (const int*)args.rows + row.named;
    Top* top = (Top*)args.results + row.top;
    for (int e = team.rank * THREADS + threadIdx.x; e < n; e += CLUSTER * THREADS) {
        top[e] = {ids[e], logits[ids[e]] - log_sum};
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
    const auto finish = [&](int id, bool corrupted, float logprob, u32 rank) {
        if (team.rank == 0 && threadIdx.x == 0) {
            publish(args, i, id, corrupted, logprob, rank);
        }
    };
    if (key >= INFINITE || (row.logprobs >= 0 && key <= ordered(-infinity()))) {
        finish(0, true, 0.0f, 0);
        return;
    }
    float sum = 0.0f;
    if (row.logprobs >= 0) {
        sum = log_sum(team, unordered(key));
        if (row.logprobs > 0 && row.named > 0) {
            named_tokens(team, args, logits, min(row.logprobs, args.vocab), sum);
        } else if (row.logprobs > 0) {
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
            finish(0, true, 0.0f, 0);
            return;
        }
        // A bias may be +infinity: it forces its token.
        id = row.temperature < GREEDY || key >= INFINITE ? id_of(best) : draw(team, args.vocab, unordered(key));
    }
    float logprob = 0.0f;
    u32 rank = 0;
    if (row.logprobs >= 0) {
        const float value = logits[id];
        logprob = value - sum;
        rank = id == id_of(raw) ? 1 : rank_of(team, logits, value, id);
    }
    finish(id, false, logprob, rank);
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
