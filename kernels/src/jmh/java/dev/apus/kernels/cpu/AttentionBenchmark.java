package dev.apus.kernels.cpu;

import dev.apus.kernels.AttentionShape;
import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import dev.apus.kernels.KvCache;
import dev.apus.kernels.KvLayout;
import dev.apus.kernels.StepBatch;
import dev.apus.kernels.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
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
 * One attention layer: a prompt in one step ({@code sequences = 1}, {@code queries = context}) or a decode step of many streams.
 *
 * <p>Multiply-adds of a causal prompt of n tokens: {@code heads * headDim * n^2}; of a decode step over contexts of n tokens:
 * {@code 2 * streams * heads * headDim * n}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--add-modules=jdk.incubator.vector")
public class AttentionBenchmark {
    /** heads/kvHeads/headDim: SmolLM2-135M, Llama-3-8B. */
    @Param({"9/3/64", "32/8/128"})
    public String geometry = "";

    /** sequences x queries each x context each. */
    @Param({"1x2048x2048", "1x512x512", "64x1x300", "1x1x256"})
    public String step = "";

    @Param({"1", "2"})
    public int threads;

    private @Nullable CpuBackend backend;
    private @Nullable Call call;

    private record Call(AttentionShape shape, StepBatch batch, Tensor qkv, Tensor out, KvCache cache) {}

    /** Fills the cache through the kernels, as a served prompt would. */
    @Setup(Level.Trial)
    public void setUp() {
        CpuBackend cpu = CpuBackend.create(new CpuOptions(CpuOptions.Provider.VECTOR, threads));
        backend = cpu;
        int[] g = ints(geometry, "/");
        int[] s = ints(step, "x");
        AttentionShape shape = new AttentionShape(g[0], g[1], g[2], (float) (1 / Math.sqrt(g[2])), 0, 0);
        int perSequence = (s[2] + 15) / 16;
        KvCache cache = cpu.kvCache(new KvLayout(1, g[1], g[2], 16, DType.F32), s[0] * perSequence);
        int width = (g[0] + 2 * g[1]) * g[2];
        Tensor qkv = cpu.allocate(DType.F32, Math.max(s[2], s[0] * s[1]), width);
        Random random = new Random(1);
        for (long i = 0; i < qkv.elements(); i++) {
            ((HostTensor) qkv).data().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        StepBatch batch = new StepBatch(Math.max(s[2], s[0] * s[1]), s[0], 16);
        for (int i = 0; i < s[0]; i++) {
            batch.clear();
            batch.addSequence(new int[s[2]], 0, s[2], table(i, perSequence), perSequence, 0);
            cpu.kernels().ropeAndCache(qkv, null, null, 0, null, shape, cache, 0, batch);
        }
        batch.clear();
        for (int i = 0; i < s[0]; i++) {
            batch.addSequence(new int[s[2]], s[2] - s[1], s[1], table(i, perSequence), perSequence, 0);
        }
        Tensor out = cpu.allocate(DType.F32, batch.tokens(), (long) g[0] * g[2]);
        call = new Call(shape, batch, qkv, out, cache);
    }

    private static int[] ints(String text, String separator) {
        return Arrays.stream(text.split(separator, -1))
                .mapToInt(Integer::parseInt)
                .toArray();
    }

    private static int[] table(int sequence, int blocks) {
        return IntStream.range(sequence * blocks, (sequence + 1) * blocks).toArray();
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        Operands.present(backend).close();
    }

    @Benchmark
    public void attention() {
        Call c = Operands.present(call);
        Operands.present(backend).kernels().attention(c.out, c.qkv, c.shape, c.cache, 0, c.batch);
    }

    @Benchmark
    public void ropeAndCache() {
        Call c = Operands.present(call);
        Operands.present(backend).kernels().ropeAndCache(c.qkv, null, null, 0, null, c.shape, c.cache, 0, c.batch);
    }
}
