package dev.apus.models;

import dev.apus.kernels.Backend;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Linear;
import dev.apus.kernels.MoeShape;
import dev.apus.kernels.MoeWeights;
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
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Takes a checkpoint's tensors to a backend: finds them by role, checks their shapes, fuses, splits and transposes. */
final class WeightLoader {
    private static final String WEIGHT = ".weight";

    private final DecoderConfig config;
    private final WeightSource source;
    private final WeightTarget target;
    /** Whether sizes alone are wanted: no data is moved then. */
    private final boolean planning;

    private final TensorNames names;
    /** What base models lack in front of every name ({@code transformer.} in GPT-2's own checkpoint), or "". */
    private final String missingPrefix;

    /** Loads onto a backend. */
    WeightLoader(DecoderConfig config, WeightSource source, Backend backend) {
        this(config, source, WeightTarget.of(backend), false);
    }

    /** Goes through the same tensors for their sizes. */
    WeightLoader(DecoderConfig config, WeightSource source, WeightCounter counter) {
        this(config, source, counter, true);
    }

    private WeightLoader(DecoderConfig config, WeightSource source, WeightTarget target, boolean planning) {
        this.config = config;
        this.source = source;
        this.target = target;
        this.planning = planning;
        names = config.weights().names();
        String embedding = Objects.requireNonNull(names.name(TensorRole.EMBEDDING, 0, 0));
        int dot = embedding.indexOf('.');
        boolean bare = !source.contains(embedding + WEIGHT) && source.contains(embedding.substring(dot + 1) + WEIGHT);
        missingPrefix = bare ? embedding.substring(0, dot + 1) : "";
    }

    private String name(TensorRole role, int layer, int expert) {
        return Objects.requireNonNull(names.name(role, layer, expert), () -> config.architecture() + " has no " + role);
    }

    private String fileName(TensorRole role, int layer, int expert) {
        String name = name(role, layer, expert);
        return name.startsWith(missingPrefix) ? name.substring(missingPrefix.length()) : name;
    }

    private boolean has(TensorRole role, int layer) {
        return names.names().containsKey(role)
                && (source.contains(fileName(role, layer, 0) + WEIGHT) || source.contains(fileName(role, layer, 0)));
    }

    /** A tensor of exactly that shape; a name without {@code .weight} is taken where there is none with it. */
    private HostTensor tensor(String name, long... shape) {
        String full = source.contains(name) ? name : name + WEIGHT;
        HostTensor tensor = source.tensor(full, shape);
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw new CheckpointException(source.description() + ": tensor '" + full + "' is " + tensor
                    + "; the configuration of this " + config.architecture() + " model needs "
                    + Arrays.toString(shape));
        }
        return tensor;
    }

    Linear embedding() {
        return target.linear(
                List.of(tensor(fileName(TensorRole.EMBEDDING, 0, 0), config.vocabSize(), config.hidden())), null);
    }

    Linear positions() {
        return target.linear(
                List.of(tensor(fileName(TensorRole.POSITIONS, 0, 0), config.maxPositions(), config.hidden())), null);
    }

    Linear head() {
        String name = fileName(TensorRole.HEAD, 0, 0);
        try (Arena arena = Arena.ofConfined()) {
            return target.linear(
                    List.of(tensor(name, config.vocabSize(), config.hidden())),
                    bias(arena, config.biases().head(), List.of(name), List.of(config.vocabSize())));
        }
    }

    /** A norm of the residual stream. */
    DecoderLayer.NormWeight norm(TensorRole role, int layer) {
        if (config.norm().weightless()) {
            float[] ones = new float[config.hidden()];
            Arrays.fill(ones, 1);
            try (Arena arena = Arena.ofConfined()) {
                return new DecoderLayer.NormWeight(target.upload(host(arena, ones)), null);
            }
        }
        String name = fileName(role, layer, 0);
        Tensor weight = vector(name, config.hidden());
        boolean biased = config.norm().layerNorm() && source.contains(name + ".bias");
        return new DecoderLayer.NormWeight(
                weight, biased ? target.upload(tensor(name + ".bias", config.hidden())) : null);
    }

    /** A norm's weight, 1 added where the file leaves it out. */
    private Tensor vector(String name, int length) {
        HostTensor tensor = tensor(name, length);
        if (!config.weights().normsPlusOne()) {
            return target.upload(tensor);
        }
        try (Arena arena = Arena.ofConfined()) {
            float[] values = floats(tensor);
            for (int i = 0; i < values.length; i++) {
                values[i] += 1;
            }
            return target.upload(host(arena, values));
        }
    }

    DecoderLayer layer(int layer) {
        DecoderConfig.Layer spec = config.layers().get(layer);
        int headDim = spec.attention().headDim();
        boolean behind = config.placement().post();
        boolean before = config.placement() != DecoderConfig.Placement.POST;
        boolean oneNorm = config.placement() == DecoderConfig.Placement.PARALLEL;
        MoeShape experts = spec.sparse() ? config.experts() : null;
        return new DecoderLayer(
                before ? norm(TensorRole.ATTENTION_NORM, layer) : null,
                qkv(layer),
                headNorm(TensorRole.QUERY_NORM, layer, spec.attention().heads(), headDim),
                headNorm(TensorRole.KEY_NORM, layer, spec.attention().kvHeads(), headDim),
                plain(
                        TensorRole.ATTENTION_OUT,
                        layer,
                        config.hidden(),
                        spec.attention().heads() * headDim,
                        config.biases().attentionOut()),
                behind ? norm(TensorRole.POST_ATTENTION_NORM, layer) : null,
                oneNorm || !before ? null : norm(TensorRole.MLP_NORM, layer),
                experts == null ? up(layer) : null,
                experts == null
                        ? plain(
                                TensorRole.DOWN,
                                layer,
                                config.hidden(),
                                config.mlp().intermediate(),
                                config.biases().mlp())
                        : null,
                behind ? norm(TensorRole.POST_MLP_NORM, layer) : null,
                experts == null ? null : plain(TensorRole.ROUTER, layer, experts.experts(), config.hidden(), false),
                experts == null ? null : experts(layer, experts),
                experts == null || config.sharedExpert() == 0 ? null : shared(layer));
    }

    private @Nullable Tensor headNorm(TensorRole role, int layer, int heads, int headDim) {
        return switch (config.qkNorm()) {
            case NONE -> null;
            case HEAD, HEAD_AFTER_ROPE -> vector(fileName(role, layer, 0), headDim);
            case ALL_HEADS -> vector(fileName(role, layer, 0), heads * headDim);
        };
    }

    private DecoderLayer.SharedExpert shared(int layer) {
        int inner = config.sharedExpert();
        return new DecoderLayer.SharedExpert(
                fused(
                        List.of(fileName(TensorRole.SHARED_GATE, layer, 0), fileName(TensorRole.SHARED_UP, layer, 0)),
                        List.of(inner, inner),
                        config.hidden(),
                        false),
                plain(TensorRole.SHARED_DOWN, layer, config.hidden(), inner, false),
                sharedSwitch(layer));
    }

    /** A row of weights; a vector in older GGUF files. */
    private Linear sharedSwitch(int layer) {
        String name = fileName(TensorRole.SHARED_SWITCH, layer, 0);
        long[] shape = source.shape(name + WEIGHT);
        if (shape != null && shape.length == 1) {
            HostTensor weight = tensor(name, config.hidden());
            weight = new HostTensor(weight.dtype(), new long[] {1, config.hidden()}, weight.data());
            return target.linear(List.of(weight), null);
        }
        return plain(TensorRole.SHARED_SWITCH, layer, 1, config.hidden(), false);
    }

    private Linear plain(TensorRole role, int layer, int out, int in, boolean biased) {
        return fused(List.of(fileName(role, layer, 0)), List.of(out), in, biased);
    }

    /** Several matrices of one input as one layer, with their biases. */
    private Linear fused(List<String> parts, List<Integer> outs, int in, boolean biased) {
        // What is transposed here is packed by the backend's threads.
        try (Arena arena = Arena.ofShared()) {
            List<HostTensor> tensors = new ArrayList<>();
            for (int i = 0; i < parts.size(); i++) {
                tensors.add(matrix(arena, parts.get(i), outs.get(i), in));
            }
            return target.linear(tensors, bias(arena, biased, parts, outs));
        }
    }

    /** A linear weight {@code [out, in]}, whichever way the file holds it. */
    private HostTensor matrix(Arena arena, String name, int out, int in) {
        if (!config.weights().transposed()) {
            return tensor(name, out, in);
        }
        HostTensor stored = tensor(name, in, out);
        return planning
                ? new HostTensor(stored.dtype(), new long[] {out, in}, stored.data())
                : TensorOps.transpose(arena, stored);
    }

    /** The biases of fused parts as F32, or null if there are none; a part without one gets zeros. */
    private @Nullable HostTensor bias(Arena arena, boolean required, List<String> parts, List<Integer> outs) {
        boolean some = parts.stream().anyMatch(part -> source.contains(part + ".bias"));
        if (!some && !required) {
            return null;
        }
        float[] all = new float[outs.stream().mapToInt(Integer::intValue).sum()];
        int at = 0;
        for (int i = 0; i < parts.size(); i++) {
            String name = parts.get(i) + ".bias";
            if (required || source.contains(name)) {
                float[] values = floats(tensor(name, outs.get(i)));
                System.arraycopy(values, 0, all, at, values.length);
            }
            at += outs.get(i);
        }
        return host(arena, all);
    }

    private Linear qkv(int layer) {
        DecoderConfig.Layer spec = config.layers().get(layer);
        int queries = spec.attention().heads() * spec.attention().headDim();
        int keys = spec.attention().kvHeads() * spec.attention().headDim();
        boolean biased = config.biases().qkv();
        if (!has(TensorRole.QKV, layer)) {
            if (!names.names().containsKey(TensorRole.QUERY)) { // reports the fused tensor as missing
                return plain(TensorRole.QKV, layer, config.qkvWidth(), config.hidden(), biased);
            }
            List<String> parts = List.of(
                    fileName(TensorRole.QUERY, layer, 0),
                    fileName(TensorRole.KEY, layer, 0),
                    fileName(TensorRole.VALUE, layer, 0));
            return fused(parts, List.of(queries, keys, keys), config.hidden(), biased);
        }
        if (config.weights().qkv() == DecoderConfig.QkvOrder.STACKED) {
            return plain(TensorRole.QKV, layer, config.qkvWidth(), config.hidden(), biased);
        }
        String name = fileName(TensorRole.QKV, layer, 0);
        try (Arena arena = Arena.ofConfined()) {
            HostTensor bias = bias(arena, biased, List.of(name), List.of(config.qkvWidth()));
            HostTensor grouped = tensor(name, config.qkvWidth(), config.hidden());
            return target.linear(
                    TensorOps.ungroup(grouped, spec.attention()),
                    bias == null ? null : TensorOps.ungroupBias(arena, bias, spec.attention()));
        }
    }

    private Linear up(int layer) {
        int inner = config.mlp().intermediate();
        boolean biased = config.biases().mlp();
        if (!config.mlp().gated()) {
            return plain(TensorRole.UP, layer, inner, config.hidden(), biased);
        }
        if (has(TensorRole.GATE_UP, layer) || !names.names().containsKey(TensorRole.GATE)) {
            return plain(TensorRole.GATE_UP, layer, 2 * inner, config.hidden(), biased);
        }
        // phi3 in GGUF: gate and up rows together under the name of up
        if (!has(TensorRole.GATE, layer)
                && has(TensorRole.UP, layer)
                && source.tensor(fileName(TensorRole.UP, layer, 0) + WEIGHT).dim(0) == 2L * inner) {
            return plain(TensorRole.UP, layer, 2 * inner, config.hidden(), biased);
        }
        return fused(
                List.of(fileName(TensorRole.GATE, layer, 0), fileName(TensorRole.UP, layer, 0)),
                List.of(inner, inner),
                config.hidden(),
                biased);
    }

    private MoeWeights experts(int layer, MoeShape shape) {
        int inner = shape.intermediate();
        List<Linear> gateUp = new ArrayList<>();
        List<Linear> down = new ArrayList<>();
        boolean together = has(TensorRole.EXPERTS_DOWN, layer);
        for (int e = 0; e < shape.experts(); e++) {
            if (together) {
                gateUp.add(target.linear(gateUpSlices(layer, e, shape), null));
                down.add(target.linear(
                        List.of(TensorOps.slice(
                                tensor(
                                        fileName(TensorRole.EXPERTS_DOWN, layer, 0),
                                        shape.experts(),
                                        config.hidden(),
                                        inner),
                                e)),
                        null));
            } else {
                gateUp.add(fused(
                        List.of(fileName(TensorRole.EXPERT_GATE, layer, e), fileName(TensorRole.EXPERT_UP, layer, e)),
                        List.of(inner, inner),
                        config.hidden(),
                        false));
                down.add(fused(
                        List.of(fileName(TensorRole.EXPERT_DOWN, layer, e)), List.of(config.hidden()), inner, false));
            }
        }
        return new MoeWeights(gateUp, down);
    }

    private List<HostTensor> gateUpSlices(int layer, int expert, MoeShape shape) {
        int inner = shape.intermediate();
        if (has(TensorRole.EXPERTS_GATE_UP, layer)) {
            String name = fileName(TensorRole.EXPERTS_GATE_UP, layer, 0);
            return List.of(TensorOps.slice(tensor(name, shape.experts(), 2L * inner, config.hidden()), expert));
        }
        String gate = fileName(TensorRole.EXPERTS_GATE, layer, 0);
        String up = fileName(TensorRole.EXPERTS_UP, layer, 0);
        return List.of(
                TensorOps.slice(tensor(gate, shape.experts(), inner, config.hidden()), expert),
                TensorOps.slice(tensor(up, shape.experts(), inner, config.hidden()), expert));
    }

    private float[] floats(HostTensor tensor) {
        if (tensor.dtype() != DType.F32 && tensor.dtype() != DType.F16 && tensor.dtype() != DType.BF16) {
            throw new CheckpointException(
                    source.description() + ": a norm or bias is " + tensor + "; F32, F16 and BF16 are supported");
        }
        float[] values = new float[Math.toIntExact(tensor.elements())];
        Dequantizer.dequantize(tensor.dtype(), tensor.data(), 0, values, 0, values.length);
        return values;
    }

    private static HostTensor host(Arena arena, float[] values) {
        MemorySegment data = arena.allocate(4L * values.length, 64);
        MemorySegment.copy(values, 0, data, ValueLayout.JAVA_FLOAT, 0, values.length);
        return new HostTensor(DType.F32, new long[] {values.length}, data);
    }
}
