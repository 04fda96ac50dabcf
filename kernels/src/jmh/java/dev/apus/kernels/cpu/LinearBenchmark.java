package dev.apus.kernels.cpu;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.Linear;
import dev.apus.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * All linear layers of one step of SmolLM2-135M, each of the 30 layers with weights of its own so that they come from where a served
 * model's come from. A row costs 106.2 million multiply-adds in the layers and 28.3 million in the head.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--add-modules=jdk.incubator.vector")
public class LinearBenchmark {
    private static final int LAYERS = 30;

    /** Outputs and inputs of qkv, o, gate and up, down. */
    private static final int[][] SHAPES = {{960, 576}, {576, 576}, {3072, 576}, {576, 1536}};

    @Param({"Q4_1", "Q8_0", "BF16"})
    public DType format = DType.Q4_1;

    @Param({"1", "4", "16", "64", "512"})
    public int rows;

    @Param("2")
    public int threads;

    private @Nullable CpuBackend backend;
    private Linear[][] layers = {};
    private Tensor[] inputs = {};
    private Tensor[] outputs = {};
    private @Nullable Head head;

    private record Head(Linear weight, Tensor input, Tensor logits) {}

    @Setup(Level.Trial)
    public void setUp() {
        CpuBackend cpu = CpuBackend.create(new CpuOptions(CpuOptions.Provider.VECTOR, threads));
        backend = cpu;
        Random random = new Random(1);
        layers = new Linear[LAYERS][SHAPES.length];
        inputs = new Tensor[SHAPES.length];
        outputs = new Tensor[SHAPES.length];
        for (int s = 0; s < SHAPES.length; s++) {
            HostTensor weight = weight(cpu, format, SHAPES[s][0], SHAPES[s][1], random);
            for (int l = 0; l < LAYERS; l++) {
                layers[l][s] = cpu.linear(List.of(weight), null);
            }
            inputs[s] = input(cpu, SHAPES[s][1], random);
            outputs[s] = cpu.allocate(DType.F32, rows, SHAPES[s][0]);
        }
        // The model file keeps the tied embedding, which is the head, as Q8_0.
        DType headFormat = format == DType.BF16 ? DType.BF16 : DType.Q8_0;
        Linear weight = cpu.linear(List.of(weight(cpu, headFormat, 49152, 576, random)), null);
        head = new Head(weight, input(cpu, 576, random), cpu.allocate(DType.F32, rows, 49152));
    }

    /** Random codes under scales about as large as a checkpoint's. */
    private static HostTensor weight(CpuBackend cpu, DType type, int out, int in, Random random) {
        HostTensor tensor = (HostTensor) cpu.allocate(type, out, in);
        byte[] bytes = new byte[Math.toIntExact(tensor.data().byteSize())];
        random.nextBytes(bytes);
        MemorySegment.copy(bytes, 0, tensor.data(), ValueLayout.JAVA_BYTE, 0, bytes.length);
        for (long at = 0; at < bytes.length; at += type.blockBytes()) {
            if (type == DType.BF16) {
                float value = (float) random.nextGaussian() * 0.03f;
                tensor.data().set(ValueLayout.JAVA_SHORT, at, (short) (Float.floatToRawIntBits(value) >>> 16));
            } else {
                tensor.data().set(ValueLayout.JAVA_SHORT, at, Float.floatToFloat16(0.01f));
                if (type == DType.Q4_1) {
                    tensor.data().set(ValueLayout.JAVA_SHORT, at + 2, Float.floatToFloat16(-0.08f));
                }
            }
        }
        return tensor;
    }

    private Tensor input(CpuBackend cpu, int width, Random random) {
        Tensor x = cpu.allocate(DType.F32, rows, width);
        for (long i = 0; i < x.elements(); i++) {
            ((HostTensor) x).data().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        return x;
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        Operands.present(backend).close();
    }

    /** The layers without the head. */
    @Benchmark
    public void layers() {
        CpuBackend cpu = Operands.present(backend);
        Arrays.stream(layers).forEach(layer -> {
            for (int s = 0; s < layer.length; s++) {
                cpu.kernels().linear(outputs[s], inputs[s], layer[s], rows);
            }
        });
    }

    /** The head on every row. */
    @Benchmark
    public void head() {
        Head h = Operands.present(head);
        Operands.present(backend).kernels().linear(h.logits, h.input, h.weight, rows);
    }
}
