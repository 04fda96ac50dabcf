// Norms of rows. One block a row; a row is read once and kept in registers, eight values a thread and unit, where its width and
// start are multiples of eight and it has at most UNITS * 8 * threads values; what is beyond is read again. Sums are float32.
#include "prelude.cuh"

// Register copies of a thread: two units of eight cover 16384 values with 1024 threads.
constexpr int UNITS = 2;

__device__ __forceinline__ float squares(const float (&v)[8]) {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        sum += v[i] * v[i];
    }
    return sum;
}

// residual += delta, as the next reader of the residual stream sees it: rounded to act.
__device__ __forceinline__ void add8(float (&v)[8], act* residual, const act* delta) {
    float d[8];
    load8(d, delta);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        v[i] = to_float(from_float<act>(v[i] + d[i]));
    }
    store8(residual, v);
}

__device__ __forceinline__ void scale_and_store(act* out, float (&v)[8], const float (&w)[8], float factor) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
        v[i] = v[i] * factor * w[i];
    }
    store8(out, v);
}

// RMS norm of one row by a block; with ADD, x is the residual stream and delta is added to it first.
template <bool ADD>
__device__ __forceinline__ void rms_row(act* out, act* x, const act* delta, const float* weight, float eps, int width, bool aligned) {
    if (aligned) {
        const int step = blockDim.x * 8, first = threadIdx.x * 8;
        float v[UNITS][8], w[UNITS][8];
        // Weights do not come from a kernel: they are on their way while the kernel before still runs.
#pragma unroll
        for (int u = 0; u < UNITS; u++) {
            if (first + u * step < width) {
                load8(w[u], weight + first + u * step);
            }
        }
        wait_for_previous();
#pragma unroll
        for (int u = 0; u < UNITS; u++) {
            if (first + u * step < width) {
                load8(v[u], x + first + u * step);
            }
        }
        float sum = 0.0f;
#pragma unroll
        for (int u = 0; u < UNITS; u++) {
            const int i = first + u * step;
            if (i < width) {
                if (ADD) {
                    add8(v[u], x + i, delta + i);
                }
                sum += squares(v[u]);
            }
        }
        for (int i = first + UNITS * step; i < width; i += step) {
            float rest[8];
            load8(rest, x + i);
            if (ADD) {
                add8(rest, x + i, delta + i);
            }
            sum += squares(rest);
        }
        const float factor = rsqrtf(block_sum(sum) / width + eps);
#pragma unroll
        for (int u = 0; u < UNITS; u++) {
            if (first + u * step < width) {
                scale_and_store(out + first + u * step, v[u], w[u], factor);
            }
        }
        for (int i = first + UNITS * step; i < width; i += step) {
            float rest[8], weights[8];
            load8(rest, x + i);
            load8(weights, weight + i);
            scale_and_store(out + i, rest, weights, factor);
        }
        return;
    }
    wait_for_previous();
    float sum = 0.0f;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float value = to_float(x[i]);
        if (ADD) {
            x[i] = from_float<act>(value + to_float(delta[i]));
            value = to_float(x[i]);
        }
        sum += value * value;
    }
    const float factor = rsqrtf(block_sum(sum) / width + eps);
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        out[i] = from_float<act>(to_float(x[i]) * factor * weight[i]);
    }
}

// out[row] = rms norm of x[row]; out may be x. Grid: rows.
extern "C" __global__ void __launch_bounds__(1024) rms_norm(act* out, act* x, const float* weight, float eps, int width) {
    allow_next();
    const i64 row = (i64)blockIdx.x * width;
    rms_row<false>(out + row, x + row, nullptr, weight, eps, width, width % 8 == 0);
}

// residual += delta; out = rms norm of residual. Grid: rows.
extern "C" __global__ void __launch_bounds__(1024)
    add_rms_norm(act* out, act* residual, const act* delta, const float* weight, float eps, int width) {
    allow_next();
    const i64 row = (i64)blockIdx.x * width;
    rms_row<true>(out + row, residual + row, delta + row, weight, eps, width, width % 8 == 0);
}

// RMS norm in place of the columns [from, from + width) of rows of stride values. Grid: rows.
extern "C" __global__ void __launch_bounds__(1024)
    rms_norm_columns(act* x, const float* weight, float eps, int stride, int from, int width) {
    allow_next();
    act* row = x + (i64)blockIdx.x * stride + from;
    rms_row<false>(row, row, nullptr, weight, eps, width, (stride | from | width) % 8 == 0);
}

// out[row] = (x - mean) / sqrt(var + eps) * weight + bias; bias may be null, out may be x. Grid: rows.
extern "C" __global__ void __launch_bounds__(1024)
    layer_norm(act* out, const act* x, const float* weight, const float* bias, float eps, int width) {
    allow_next();
    wait_for_previous();
    out += (i64)blockIdx.x * width;
    x += (i64)blockIdx.x * width;
    // A row of up to UNITS units a thread stays in registers as single values, wider ones are read again: this norm is rare today.
    constexpr int KEPT = UNITS * 8;
    float v[KEPT];
    float sum = 0.0f;
#pragma unroll
    for (int u = 0; u < KEPT; u++) {
        const int i = threadIdx.x + u * blockDim.x;
        v[u] = i < width ? to_float(x[i]) : 0.0f;
        sum += v[u];
    }
    for (int i = threadIdx.x + KEPT * blockDim.x; i < width; i += blockDim.x) {
        sum += to_float(x[i]);
    }
    const float mean = block_sum(sum) / width;
    sum = 0.0f;
#pragma unroll
    for (int u = 0; u < KEPT; u++) {
        const float centred = threadIdx.x + u * blockDim.x < width ? v[u] - mean : 0.0f;
        sum += centred * centred;
    }
    for (int i = threadIdx.x + KEPT * blockDim.x; i < width; i += blockDim.x) {
        const float centred = to_float(x[i]) - mean;
        sum += centred * centred;
    }
    const float factor = rsqrtf(block_sum(sum) / width + eps);
#pragma unroll
    for (int u = 0; u < KEPT; u++) {
        const int i = threadIdx.x + u * blockDim.x;
        if (i < width) {
            const float y = (v[u] - mean) * factor * weight[i];
            out[i] = from_float<act>(bias == nullptr ? y : y + bias[i]);
        }
    }
    for (int i = threadIdx.x + KEPT * blockDim.x; i < width; i += blockDim.x) {
        const float y = (to_float(x[i]) - mean) * factor * weight[i];
        out[i] = from_float<act>(bias == nullptr ? y : y + bias[i]);
    }
}
