// Writes where nothing is: a fault that leaves the context unusable.
#include "prelude.cuh"

extern "C" __global__ void write_nowhere(int* nowhere) {
    *nowhere = 1;
}
