package dev.apus.models;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Weights of a model whose configuration alone is there, for measuring and testing: BF16 tensors in whatever shape they are asked for, of
 * small random values, norms of 1. What it says is nonsense, its shapes and its speed are the model's.
 *
 * <p>All tensors are slices of one segment of random numbers, so that a host needs the memory of the largest one only. Used by one thread
 * at a time; tensors are valid until {@link #close}.
 */
public final class DummyWeights implements WeightSource {
    private static final DType TYPE = DType.BF16;
    /** As vLLM's dummy loader: small enough that no activation grows beyond its type over many layers. */
    private static final double LARGEST = 1e-3;
    /** Random numbers that are drawn; the segment repeats them. No divisor of usual widths, so that rows differ. */
    private static final int DRAWN = (1 << 19) - 3;
    /** Slices start at one of so many places, {@link #ALIGNMENT} bytes apart, so that tensors of one shape differ. */
    private static final int STARTS = 1024;

    private static final int ALIGNMENT = 64;
    private static final short BF16_ONE = 0x3f80;
    /** Roles of fused tensors and of the parts that stand for them where an architecture has names for both. */
    private static final Map<TensorRole, TensorRole> PARTS = Map.of(
            TensorRole.QKV, TensorRole.QUERY,
            TensorRole.GATE_UP, TensorRole.GATE,
            TensorRole.EXPERTS_GATE_UP, TensorRole.EXPERT_GATE,
            TensorRole.EXPERTS_GATE, TensorRole.EXPERT_GATE,
            TensorRole.EXPERTS_UP, TensorRole.EXPERT_UP,
            TensorRole.EXPERTS_DOWN, TensorRole.EXPERT_DOWN);

    private final Set<String> names;
    private final String description;
    private final short norm;
    private final Arena arena = Arena.ofShared();
    private MemorySegment random = MemorySegment.NULL;
    private MemorySegment norms = MemorySegment.NULL;
    private long handedOut;

    /** @param description for messages */
    DummyWeights(DecoderConfig config, String description) {
        this.description = description;
        norm = config.weights().normsPlusOne() ? 0 : BF16_ONE;
        names = Collections.unmodifiableSet(names(config));
    }

    private static Set<String> names(DecoderConfig config) {
        TensorNames table = config.weights().names();
        int experts = config.experts() == null ? 0 : config.experts().experts();
        Set<String> names = new LinkedHashSet<>();
        for (TensorRole role : table.names().keySet()) {
            TensorRole part = PARTS.get(role);
            if (part != null && table.names().containsKey(part)) {
                continue;
            }
            boolean perExpert =
                    role == TensorRole.EXPERT_GATE || role == TensorRole.EXPERT_UP || role == TensorRole.EXPERT_DOWN;
            for (int layer = 0; layer < config.layers().size(); layer++) {
                for (int expert = 0; expert < (perExpert ? experts : 1); expert++) {
                    names.add(table.name(role, layer, expert) + ".weight");
                }
            }
        }
        return names;
    }

    /** Weights that a checkpoint of this architecture may have; biases, where the configuration demands them, are made though not named. */
    @Override
    public Set<String> names() {
        return names;
    }

    @Override
    public long @Nullable [] shape(String name) {
        return null;
    }

    /** Not to be answered: the shape of a dummy tensor is what its user needs. */
    @Override
    public HostTensor tensor(String name) {
        throw new CheckpointException(description + ": tensor '" + name + "' has no shape of its own; ask for one");
    }

    @Override
    public HostTensor tensor(String name, long[] expected) {
        long elements = 1;
        for (long extent : expected) {
            elements = Math.multiplyExact(elements, extent);
        }
        long bytes = TYPE.byteSize(elements);
        handedOut += bytes;
        if (expected.length == 1 && !name.endsWith(".bias")) {
            return new HostTensor(TYPE, expected, norms(bytes).asSlice(0, bytes));
        }
        long start = (long) ALIGNMENT * Math.floorMod(name.hashCode(), STARTS);
        return new HostTensor(
                TYPE, expected, random(bytes + (long) ALIGNMENT * STARTS).asSlice(start, bytes));
    }

    /** At least {@code bytes} of random numbers; a shorter segment stays for those who use it. */
    private MemorySegment random(long bytes) {
        if (random.byteSize() < bytes) {
            MemorySegment all = arena.allocate(bytes, ALIGNMENT);
            SplittableRandom generator = new SplittableRandom(1);
            long drawn = Math.min(DRAWN, bytes / Short.BYTES);
            for (long i = 0; i < drawn; i++) {
                float value = (float) ((2 * generator.nextDouble() - 1) * LARGEST);
                all.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >>> 16));
            }
            for (long at = drawn * Short.BYTES; at < bytes; at += drawn * Short.BYTES) {
                MemorySegment.copy(all, 0, all, at, Math.min(drawn * Short.BYTES, bytes - at));
            }
            random = all;
        }
        return random;
    }

    private MemorySegment norms(long bytes) {
        if (norms.byteSize() < bytes) {
            MemorySegment all = arena.allocate(bytes, ALIGNMENT);
            for (long i = 0; i < bytes / Short.BYTES; i++) {
                all.setAtIndex(ValueLayout.JAVA_SHORT, i, norm);
            }
            norms = all;
        }
        return norms;
    }

    /** Bytes of the tensors that were asked for so far. */
    @Override
    public long byteSize() {
        return handedOut;
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public void close() {
        arena.close();
    }
}
