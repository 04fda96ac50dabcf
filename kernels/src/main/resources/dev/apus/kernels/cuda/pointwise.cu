// Kernels that move rows or work value by value. All take eight values a thread where the width is a multiple of eight.
#include "prelude.cuh"

constexpr int THREADS = 256;

// ---- rows ---------------------------------------------------------------------------------------------------------------------

// f(index) for every unit of eight values of a row that this block shares out, f1(index) for every value if width is odd.
template <typename Eight, typename One> __device__ __forceinline__ void over_row(int width, Eight eight, One one) {
    if (width % 8 == 0) {
        for (int i = (blockIdx.y * THREADS + threadIdx.x) * 8; i < width; i += gridDim.y * THREADS * 8) {
            eight(i);
        }
    } else {
        for (int i = blockIdx.y * THREADS + threadIdx.x; i < width; i += gridDim.y * THREADS) {
            one(i);
        }
    }
}

// out[t] = scale * table[ids[t]]. Grid: tokens, parts of a row.
extern "C" __global__ void __launch_bounds__(THREADS) embed(act* out, const act* table, Step step, int width, float scale) {
    allow_next();
    wait_for_previous();
    out += (i64)blockIdx.x * width;
    table += (i64)resolve_id(step, step.ids[blockIdx.x]) * width;
    over_row(
        width,
        [&](int i) {
            float v[8];
            load8(v, table + i);
#pragma unroll
            for (int k = 0; k < 8; k++) {
                v[k] *= scale;
            }
            store8(out + i, v);
        },
        [&](int i) { out[i] = from_float<act>(to_float(table[i]) * scale); });
}

// x[t] += table[positions[t] + offset]. Grid: tokens, parts of a row.
extern "C" __global__ void __launch_bounds__(THREADS) add_positions(act* x, const act* table, Step step, int width, int offset) {
    allow_next();
    wait_for_previous();
    x += (i64)blockIdx.x * width;
    table += (i64)(step.positions[blockIdx.x] + offset) * width;
    over_row(
        width,
        [&](int i) {
            float v[8], added[8];
            load8(v, x + i);
            load8(added, table + i);
#pragma unroll
            for (int k = 0; k < 8; k++) {
                v[k] += added[k];
            }
            store8(x + i, v);
        },
        [&](int i) { x[i] = from_float<act>(to_float(x[i]) + to_float(table[i])); });
}

// out[i] = x[logit_rows[i]]. Grid: logit rows, parts of a row.
extern "C" __global__ void __launch_bounds__(THREADS) gather_rows(act* out, const act* x, Step step, int width) {
    allow_next();
    wait_for_previous();
    out += (i64)blockIdx.x * width;
    x += (i64)step.logit_rows[blockIdx.x] * width;
    over_row(
        width,
        [&](int i) {
            float v[8];
            load8(v, x + i);
            store8(out + i, v);
        },
        [&](int i) { out[i] = x[i]; });
}

// x[t] += sigmoid(gate[t]) * delta[t]. Grid: rows, parts of a row.
extern "C" __global__ void __launch_bounds__(THREADS) add_gated(act* x, const act* delta, const float* gate, int width) {
    allow_next();
    wait_for_previous();
    x += (i64)blockIdx.x * width;
    delta += (i64)blockIdx.x * width;
    const float factor = 1.0f / (1.0f + expf(-gate[blockIdx.x]));
    over_row(
        width,
        [&](int i) {
            float v[8], added[8];
            load8(v, x + i);
            load8(added, delta + i);
#pragma unroll
            for (int k = 0; k < 8; k++) {
                v[k] += factor * added[k];
            }
            store8(x + i, v);
        },
        [&](int i) { x[i] = from_float<act>(to_float(x[i]) + factor * to_float(delta[i])); });
}

// ---- values -------------------------------------------------------------------------------------------------------------------

// x[i] = f(x[i], i) for n values, the last n % 8 one by one. Grid: ceil(ceil(n / 8) / THREADS).
template <typename T, typename F> __device__ __forceinline__ void over_values(T* x, i64 n, F f) {
    const i64 first = ((i64)blockIdx.x * THREADS + threadIdx.x) * 8;
    if (first + 8 <= n) {
        float v[8];
        load8(v, x + first);
#pragma unroll
        for (int k = 0; k < 8; k++) {
            v[k] = f(v[k]);
        }
        store8(x + first, v);
    } else {
        for (i64 i = first; i < n; i++) {
            x[i] = from_float<T>(f(to_float(x[i])));
        }
    }
}

// x += delta.
extern "C" __global__ void __launch_bounds__(THREADS) add(act* x, const act* delta, i64 n) {
    allow_next();
    wait_for_previous();
    const i64 first = ((i64)blockIdx.x * THREADS + threadIdx.x) * 8;
    if (first + 8 <= n) {
        float v[8], added[8];
        load8(v, x + first);
        load8(added, delta + first);
#pragma unroll
        for (int k = 0; k < 8; k++) {
            v[k] += added[k];
        }
        store8(x + first, v);
    } else {
        for (i64 i = first; i < n; i++) {
            x[i] = from_float<act>(to_float(x[i]) + to_float(delta[i]));
        }
    }
}

// x *= factor.
extern "C" __global__ void __launch_bounds__(THREADS) scale(act* x, float factor, i64 n) {
    allow_next();
    wait_for_previous();
    over_values(x, n, [=](float v) { return v * factor; });
}

// x *= factor, on logits.
extern "C" __global__ void __launch_bounds__(THREADS) scale_f32(float* x, float factor, i64 n) {
    allow_next();
    wait_for_previous();
    over_values(x, n, [=](float v) { return v * factor; });
}

// x = cap * tanh(x / cap), on activations.
extern "C" __global__ void __launch_bounds__(THREADS) soft_cap(act* x, float cap, i64 n) {
    allow_next();
    wait_for_previous();
    over_values(x, n, [=](float v) { return cap * tanhf(v / cap); });
}

// x = cap * tanh(x / cap), on logits.
extern "C" __global__ void __launch_bounds__(THREADS) soft_cap_f32(float* x, float cap, i64 n) {
    allow_next();
    wait_for_previous();
    over_values(x, n, [=](float v) { return cap * tanhf(v / cap); });
}

// ---- activations: the order of dev.apus.kernels.Activation ----------------------------------------------------------------------

struct Silu {
    __device__ __forceinline__ float operator()(float x) const { return x / (1.0f + __expf(-x)); }
};

struct Gelu {
    __device__ __forceinline__ float operator()(float x) const { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }
};

struct GeluTanh {
    __device__ __forceinline__ float operator()(float x) const {
        return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    }
};

struct Relu {
    __device__ __forceinline__ float operator()(float x) const { return fmaxf(x, 0.0f); }
};

struct Relu2 {
    __device__ __forceinline__ float operator()(float x) const { return fmaxf(x, 0.0f) * fmaxf(x, 0.0f); }
};

template <typename Body> __device__ __forceinline__ void with_activation(int kind, Body body) {
    switch (kind) {
        case 0: body(Silu()); break;
        case 1: body(Gelu()); break;
        case 2: body(GeluTanh()); break;
        case 3: body(Relu()); break;
        default: body(Relu2()); break;
    }
}

// x = activation(x).
extern "C" __global__ void __launch_bounds__(THREADS) activation(act* x, int kind, i64 n) {
    allow_next();
    wait_for_previous();
    with_activation(kind, [=](auto f) { over_values(x, n, f); });
}

// out[row, i] = f(gate_up[row, i]) * gate_up[row, width + i]. Grid: ceil(rows * ceil(width / 8) / THREADS).
extern "C" __global__ void __launch_bounds__(THREADS) gated_activation(act* out, const act* gate_up, int kind, int width, int rows) {
    allow_next();
    wait_for_previous();
    const u32 units = (width + 7) / 8;
    const u32 unit = blockIdx.x * THREADS + threadIdx.x;
    const u32 row = unit / units, i = (unit - row * units) * 8;
    if (row >= rows) {
        return;
    }
    const act* gate = gate_up + (i64)row * 2 * width + i;
    const act* up = gate + width;
    out += (i64)row * width + i;
    if (width % 8 == 0) {
        float g[8], u[8];
        load8(g, gate);
        load8(u, up);
        with_activation(kind, [&](auto f) {
#pragma unroll
            for (int k = 0; k < 8; k++) {
                g[k] = f(g[k]) * u[k];
            }
        });
        store8(out, g);
    } else {
        const int end = min(8, width - (int)i);
        with_activation(kind, [&](auto f) {
            for (int k = 0; k < end; k++) {
                out[k] = from_float<act>(f(to_float(gate[k])) * to_float(up[k]));
            }
        });
    }
}
