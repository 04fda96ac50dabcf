// Per-head norms, rotary embedding and KV write. One warp a token and head; a lane holds pairs of values that rotate together, so
// nothing goes through shared memory.
//
// Defines: HEAD_DIM; ROTARY_DIM leading values of a head that are rotated, even, 0 for none; INTERLEAVED pairs are (2i, 2i + 1), else
// (i, i + ROTARY_DIM / 2); ROPE_FIRST rotates before the norms.
#include "prelude.cuh"

constexpr int HALF = ROTARY_DIM / 2;
// Pair p < HALF rotates; behind them come pairs (2p, 2p + 1) of values that do not, the last one perhaps without a partner.
constexpr int PAIRS = (HEAD_DIM + 1) / 2;
#ifdef INTERLEAVED
constexpr bool ADJACENT = true;
#else
constexpr bool ADJACENT = ROTARY_DIM == 0;
#endif
#ifdef ROPE_FIRST
constexpr bool ROTATE_FIRST = true;
#else
constexpr bool ROTATE_FIRST = false;
#endif
// Pairs next to each other in a lane: two make accesses of four bytes out of bf16.
constexpr int V = HEAD_DIM % 4 == 0 && HALF % 2 == 0 ? 2 : 1;
constexpr int STEPS = (PAIRS + 32 * V - 1) / (32 * V);
constexpr int WARPS = 8;

__device__ __forceinline__ void load2(float& a, float& b, const float* p) {
    const float2 v = *(const float2*)p;
    a = v.x, b = v.y;
}

__device__ __forceinline__ void load2(float& a, float& b, const bf16* p) {
    const u32 v = *(const u32*)p;
    a = low_bf16(v), b = high_bf16(v);
}

__device__ __forceinline__ void store2(float* p, float a, float b) {
    *(float2*)p = make_float2(a, b);
}

__device__ __forceinline__ void store2(bf16* p, float a, float b) {
    *(u32*)p = pack_bf16(a, b);
}

__device__ __forceinline__ void store1(float* p, float a) {
    *p = a;
}

__device__ __forceinline__ void store1(bf16* p, float a) {
    *p = from_float<bf16>(a);
}

#ifdef KV_FP8
__device__ __forceinline__ void store2(fp8* p, float a, float b) {
    *(u16*)p = pack_fp8(a, b);
}

__device__ __forceinline__ void store1(fp8* p, float a) {
    p->bits = (u8)pack_fp8(a, 0.0f);
}
#endif

// Where the first value of a pair is, and how far its partner.
__device__ __forceinline__ int first_of(int pair) {
    return ADJACENT || pair >= HALF ? 2 * pair : pair;
}

__device__ __forceinline__ int second_of(int pair) {
    return ADJACENT || pair >= HALF ? 2 * pair + 1 : pair + HALF;
}

struct Head {
    float a[STEPS][V], b[STEPS][V];  // first and second values of a lane's pairs
};

// f(values of the lane, pairs of it), with the lane's first pair p of step s.
template <typename T> __device__ __forceinline__ void load(Head& head, const T* p, int lane) {
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const int pair = (s * 32 + lane) * V;
#pragma unroll
        for (int v = 0; v < V; v++) {
            head.a[s][v] = head.b[s][v] = 0.0f;
        }
        if (pair < PAIRS) {
            if (V == 2 && !(ADJACENT || pair >= HALF)) {
                load2(head.a[s][0], head.a[s][V - 1], p + pair);
                load2(head.b[s][0], head.b[s][V - 1], p + pair + HALF);
            } else {
#pragma unroll
                for (int v = 0; v < V; v++) {
                    if (V == 2) {
                        load2(head.a[s][v], head.b[s][v], p + 2 * (pair + v));
                    } else {
                        head.a[s][v] = to_float(p[first_of(pair)]);
                        head.b[s][v] = second_of(pair) < HEAD_DIM ? to_float(p[second_of(pair)]) : 0.0f;
                    }
                }
            }
        }
    }
}

template <typename T> __device__ __forceinline__ void store(T* p, const Head& head, int lane) {
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const int pair = (s * 32 + lane) * V;
        if (pair < PAIRS) {
            if (V == 2 && !(ADJACENT || pair >= HALF)) {
                store2(p + pair, head.a[s][0], head.a[s][V - 1]);
                store2(p + pair + HALF, head.b[s][0], head.b[s][V - 1]);
            } else {
#pragma unroll
                for (int v = 0; v < V; v++) {
                    if (V == 2) {
                        store2(p + 2 * (pair + v), head.a[s][v], head.b[s][v]);
                    } else {
                        store1(p + first_of(pair), head.a[s][v]);
                        if (second_of(pair) < HEAD_DIM) {
                            store1(p + second_of(pair), head.b[s][v]);
                        }
                    }
                }
            }
        }
    }
}

__device__ __forceinline__ void norm(Head& head, const Head& weight, float eps) {
    float sum = 0.0f;
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
#pragma unroll
        for (int v = 0; v < V; v++) {
            sum += head.a[s][v] * head.a[s][v] + head.b[s][v] * head.b[s][v];
        }
    }
    const float factor = rsqrtf(warp_sum(sum) / HEAD_DIM + eps);
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
#pragma unroll
        for (int v = 0; v < V; v++) {
            head.a[s][v] *= factor * weight.a[s][v];
            head.b[s][v] *= factor * weight.b[s][v];
        }
    }
}

__device__ __forceinline__ void rotate(Head& head, const Head& angles) {
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
#pragma unroll
        for (int v = 0; v < V; v++) {
            const float a = head.a[s][v], b = head.b[s][v];
            const float cosine = angles.a[s][v], sine = angles.b[s][v];
            head.a[s][v] = a * cosine - b * sine;
            head.b[s][v] = b * cosine + a * sine;
        }
    }
}

// Cosines and sines of the lane's pairs; 1 and 0 where nothing rotates.
__device__ __forceinline__ void load_angles(Head& angles, const float* row, int lane) {
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        const int pair = (s * 32 + lane) * V;
#pragma unroll
        for (int v = 0; v < V; v++) {
            angles.a[s][v] = 1.0f;
            angles.b[s][v] = 0.0f;
            if (pair + v < HALF) {
                angles.a[s][v] = row[pair + v];
                angles.b[s][v] = row[HALF + pair + v];
            }
        }
    }
}

// Norms and rotates the query heads of qkv[tokens, heads + 2 kv_heads, HEAD_DIM] in place, writes key and value heads to the cache.
// q_norm, k_norm [HEAD_DIM] may be null; angles is [rows, ROTARY_DIM], unread if that is 0.
// Grid: ceil(tokens * (heads + 2 kv_heads) / WARPS).
extern "C" __global__ void __launch_bounds__(32 * WARPS) rope_and_cache(act* qkv, const float* q_norm, const float* k_norm, float eps,
    const float* angles, kv_t* k_cache, kv_t* v_cache, Step step, int heads, int kv_heads, int tokens) {
    allow_next();
    const int lane = threadIdx.x & 31;
    const u32 per_token = heads + 2 * kv_heads;
    const u32 unit = blockIdx.x * WARPS + (threadIdx.x >> 5);
    const u32 token = unit / per_token;
    const int h = unit - token * per_token;
    if (token >= tokens) {
        return;
    }
    // Weights, angles and the step's metadata come from copies, not from kernels: they need no wait.
    const bool value = h >= heads + kv_heads;
    const float* weights = value ? nullptr : h < heads ? q_norm : k_norm;
    const int slot = step.slots[token];
    Head weight, turn, head;
    if (weights != nullptr) {
        load(weight, weights, lane);
    }
    if (ROTARY_DIM > 0 && !value) {
        load_angles(turn, angles + (i64)step.rope_rows[token] * ROTARY_DIM, lane);
    }
    wait_for_previous();
    act* source = qkv + (i64)unit * HEAD_DIM;
    load(head, source, lane);
    if (!value) {
        if (ROTARY_DIM > 0 && ROTATE_FIRST) {
            rotate(head, turn);
        }
        if (weights != nullptr) {
            norm(head, weight, eps);
        }
        if (ROTARY_DIM > 0 && !ROTATE_FIRST) {
            rotate(head, turn);
        }
    }
    if (h < heads) {
        store(source, head, lane);
    } else if (slot >= 0) {
        kv_t* cache = value ? v_cache : k_cache;
        const int kv_head = value ? h - heads - kv_heads : h - heads;
        store(cache + (((i64)(slot >> 4) * kv_heads + kv_head) * 16 + (slot & 15)) * HEAD_DIM, head, lane);
    }
}
