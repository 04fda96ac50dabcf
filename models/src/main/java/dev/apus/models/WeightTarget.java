package dev.apus.models;

import dev.apus.kernels.Backend;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where a {@link WeightLoader} takes weights to. */
interface WeightTarget {
    /** As {@link Backend#linear}. */
    Linear linear(List<HostTensor> parts, @Nullable HostTensor bias);

    /** As {@link Backend#upload}. */
    Tensor upload(HostTensor source);

    /** A backend's memory. */
    static WeightTarget of(Backend backend) {
        return new WeightTarget() {
            @Override
            public Linear linear(List<HostTensor> parts, @Nullable HostTensor bias) {
                return backend.linear(parts, bias);
            }

            @Override
            public Tensor upload(HostTensor source) {
                return backend.upload(source);
            }
        };
    }
}
