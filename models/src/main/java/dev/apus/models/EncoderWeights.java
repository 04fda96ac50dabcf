package dev.apus.models;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import dev.apus.kernels.quant.Dequantizer;
import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Takes an encoder's tensors to a backend: finds them by name and checks their shapes. */
final class EncoderWeights {
    private final EncoderConfig config;
    private final EncoderNames names;
    private final WeightSource source;
    private final Backend backend;
    /** The encoder's prefix, or "" where the file is a base model's. */
    private final String prefix;

    EncoderWeights(EncoderConfig config, EncoderNames names, WeightSource source, Backend backend) {
        this.config = config;
        this.names = names;
        this.source = source;
        this.backend = backend;
        prefix = source.contains(names.prefix() + "embeddings.word_embeddings.weight") ? names.prefix() : "";
    }

    EncoderNames names() {
        return names;
    }

    private HostTensor tensor(String name, long... shape) {
        HostTensor tensor = source.tensor(name, shape);
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw new CheckpointException(source.description() + ": tensor '" + name + "' is " + tensor
                    + "; the configuration of this " + config.architecture() + " model needs "
                    + Arrays.toString(shape));
        }
        return tensor;
    }

    /** A table of embeddings {@code [rows, hidden]}. */
    Linear table(String name, int rows) {
        return backend.linear(List.of(tensor(prefix + "embeddings." + name + ".weight", rows, config.hidden())), null);
    }

    DecoderLayer.NormWeight embeddingNorm() {
        return norm(prefix + "embeddings.LayerNorm");
    }

    DecoderLayer.NormWeight norm(int layer, String name) {
        return norm(layerName(layer, name));
    }

    /** Files converted from BERT's own TensorFlow checkpoints call weight and bias gamma and beta. */
    private DecoderLayer.NormWeight norm(String name) {
        boolean old = source.contains(name + ".gamma");
        Tensor weight = backend.upload(tensor(name + (old ? ".gamma" : ".weight"), config.hidden()));
        return new DecoderLayer.NormWeight(
                weight, backend.upload(tensor(name + (old ? ".beta" : ".bias"), config.hidden())));
    }

    private String layerName(int layer, String name) {
        return prefix + names.layer().replace("{}", Integer.toString(layer)) + name;
    }

    Linear qkv(int layer) {
        List<String> parts = List.of(
                layerName(layer, names.query()), layerName(layer, names.key()), layerName(layer, names.value()));
        return stacked(parts, config.hidden(), config.hidden());
    }

    Linear layer(int layer, String name, int out, int in) {
        return stacked(List.of(layerName(layer, name)), out, in);
    }

    Linear headDense() {
        String name = (names.denseInPrefix() ? prefix : "") + names.headDense();
        return stacked(List.of(name), config.hidden(), config.hidden());
    }

    Linear headOut(int labels) {
        return stacked(List.of(names.headOut()), labels, config.hidden());
    }

    private Linear stacked(List<String> parts, int out, int in) {
        try (Arena arena = Arena.ofConfined()) {
            List<HostTensor> tensors = new ArrayList<>();
            MemorySegment biases = arena.allocate(4L * out * parts.size(), 64);
            for (int i = 0; i < parts.size(); i++) {
                tensors.add(tensor(parts.get(i) + ".weight", out, in));
                float[] bias = floats(tensor(parts.get(i) + ".bias", out));
                MemorySegment.copy(bias, 0, biases, ValueLayout.JAVA_FLOAT, 4L * out * i, out);
            }
            return backend.linear(tensors, new HostTensor(DType.F32, new long[] {(long) out * parts.size()}, biases));
        }
    }

    private float[] floats(HostTensor tensor) {
        if (tensor.dtype() != DType.F32 && tensor.dtype() != DType.F16 && tensor.dtype() != DType.BF16) {
            throw new CheckpointException(
                    source.description() + ": a bias is " + tensor + "; F32, F16 and BF16 are supported");
        }
        float[] values = new float[Math.toIntExact(tensor.elements())];
        Dequantizer.dequantize(tensor.dtype(), tensor.data(), 0, values, 0, values.length);
        return values;
    }
}
