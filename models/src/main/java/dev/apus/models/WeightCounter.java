package dev.apus.models;

import dev.apus.kernels.Backend;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Adds up what weights would take of a backend's memory and copies none. */
final class WeightCounter implements WeightTarget {
    private final Backend backend;
    private long parameters;
    private long bytes;

    WeightCounter(Backend backend) {
        this.backend = backend;
    }

    private record Counted(int outFeatures, int inFeatures, long byteSize) implements Linear {}

    Decoder.WeightSize size() {
        return new Decoder.WeightSize(parameters, bytes);
    }

    @Override
    public Linear linear(List<HostTensor> parts, @Nullable HostTensor bias) {
        long out = 0;
        long in = parts.getFirst().dim(1);
        long own = 0;
        for (HostTensor part : parts) {
            out += part.dim(0);
            own += backend.linearBytes(part.dtype(), part.dim(0), in);
        }
        parameters += out * in;
        bytes += backend.allocationBytes(own);
        if (bias != null) {
            parameters += bias.elements();
            own += 4 * bias.elements();
            bytes += backend.allocationBytes(4 * bias.elements());
        }
        return new Counted(Math.toIntExact(out), Math.toIntExact(in), own);
    }

    /** Norms and tables are F32 on every backend. */
    @Override
    public Tensor upload(HostTensor source) {
        parameters += source.elements();
        bytes += backend.allocationBytes(4 * source.elements());
        return source;
    }
}
