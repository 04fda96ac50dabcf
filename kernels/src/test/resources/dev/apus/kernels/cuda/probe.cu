// Compiled by tests of the compiler and of the check for spills.
#include "prelude.cuh"

#ifndef SCALE
#define SCALE 1
#endif

extern "C" __global__ void __launch_bounds__(128) scale_rows(act* x, int n) {
    wait_for_previous();
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        x[i] = from_float<act>(SCALE * to_float(x[i]));
    }
    allow_next();
}

// Indexed by a value that is not known when it is compiled: lives in local memory.
extern "C" __global__ void __launch_bounds__(128) local_array(float* x, int at) {
    float values[64];
    for (int i = 0; i < 64; i++) {
        values[i] = x[i * 128 + threadIdx.x];
    }
    values[at] = 1.0f;
    float sum = 0.0f;
    for (int i = at; i < 64; i += at) {
        sum += values[i];
    }
    x[threadIdx.x] = sum + values[at ^ 1];
}
