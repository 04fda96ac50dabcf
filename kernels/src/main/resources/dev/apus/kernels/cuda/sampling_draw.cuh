// Draws of a token from a row of adjusted logits: temperature, top-k, top-p, min-p, one number of a counter-based generator.
#pragma once
#include "sampling_team.cuh"

// Bits of 1.0f, the weight of the likeliest.
constexpr int ONE = 0x3f800000;
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
    int named;                    // ids to tell of in place of the likeliest; 0: none
};

__shared__ Row row;

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

// ---- draws ---------------------------------------------------------------------------------------------------------------------------------

// Bits below those of the k largest weights and of those equal to the k-th: the weights of a top-k. Where above, which is set to the number
// of weights above these bits, fits the list, further ones may be among them.
__device__ __forceinline__ int below_top_k(Team& team, u32 k, u32& above) {
    int low = -1, high = ONE;  // k weights or more are above low, fewer above high
    u32 above_high = 0;
    above = 0xffffffffu;
    for (int pass = 0; high - low > 1 && above != k && above > LIST && above - above_high != 1; pass++) {
        int pivot[PIVOTS];
        u32 counts[PIVOTS] = {};
#pragma unroll
        for (int q = 0; q < PIVOTS; q++) {
            // The first guesses split the usual distributions, the second ones what is below them if need be; then even steps of bits,
            // about even in the logarithm.
            constexpr float WEIGHT[PIVOTS] = {2e-5f, 2e-4f, 2e-3f, 1e-2f, 6e-2f, 3e-1f};
            constexpr float LOW_WEIGHT[PIVOTS] = {1e-15f, 1e-12f, 1e-10f, 1e-8f, 2e-7f, 2e-6f};
            pivot[q] = pass == 0 ? __float_as_int(WEIGHT[q])
                : pass == 1 && low < 0 ? __float_as_int(LOW_WEIGHT[q])
                : low + (int)((u64)(u32)(high - low) * (q + 1) / (PIVOTS + 1));
        }
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
__device__ __forceinline__ int draw(Team& team, int vocab, float max) {
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
    if (row.top_k > 0 && row.top_k < vocab) {
        u32 above;
        const int below = below_top_k(team, row.top_k, above);
        if (above <= LIST) {
            return draw_from_list(team, below, above, least);
        }
        low = ::max(low, below);
    }
    return draw_from_row(team, low, low < 0 ? sum : sum_above(team, low));
}
