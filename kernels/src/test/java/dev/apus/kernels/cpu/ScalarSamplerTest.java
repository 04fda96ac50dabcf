package dev.apus.kernels.cpu;

import java.util.function.Supplier;

/** The sampler's tests without the Vector API. */
class ScalarSamplerTest extends CpuSamplerTest {
    @Override
    Supplier<LogitPasses> passes() {
        return ScalarLogits::new;
    }
}
