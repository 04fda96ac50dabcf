#include "prelude.cuh"

extern "C" __global__ void broken(float* x) {
    x[0] = not_declared;
}
