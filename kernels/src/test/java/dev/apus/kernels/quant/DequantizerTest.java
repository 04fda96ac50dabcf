package dev.apus.kernels.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.DType;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DequantizerTest {
    private record Vectors(byte[] raw, float[] values) {}

    /** Reads what make_quant_vectors.py wrote. */
    private static Map<DType, Vectors> vectors() throws IOException {
        Map<DType, Vectors> all = new EnumMap<>(DType.class);
        try (InputStream in = Objects.requireNonNull(DequantizerTest.class.getResourceAsStream("quant-vectors.bin"))) {
            ByteBuffer buffer = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
            while (buffer.hasRemaining()) {
                byte[] name = new byte[buffer.getInt()];
                buffer.get(name);
                DType type = DType.valueOf(new String(name, StandardCharsets.US_ASCII));
                int blocks = buffer.getInt();
                byte[] raw = new byte[blocks * type.blockBytes()];
                buffer.get(raw);
                float[] values = new float[blocks * type.blockSize()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = buffer.getFloat();
                }
                all.put(type, new Vectors(raw, values));
            }
        }
        return all;
    }

    @ParameterizedTest
    @EnumSource(
            names = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"
            })
    void readsBlocksAsGgufDoes(DType type) throws IOException {
        Vectors expected = Objects.requireNonNull(vectors().get(type));
        float[] actual = new float[expected.values.length + 3];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(expected.raw.length + 1L);
            segment.asSlice(1).copyFrom(MemorySegment.ofArray(expected.raw));
            Dequantizer.dequantize(type, segment, 1, actual, 3, expected.values.length);
        }
        for (int i = 0; i < expected.values.length; i++) {
            assertThat(actual[i + 3]).as("%s element %d", type, i).isEqualTo(expected.values[i]);
        }
    }

    @Test
    void readsAKnownQ40Block() {
        byte[] raw = HexFormat.of().parseHex("0040809191a2a2b3b3c4c4d5d5e6e6f7f7f8");
        float[] out = new float[32];
        Dequantizer.dequantize(DType.Q4_0, MemorySegment.ofArray(raw), 0, out, 0, 32);
        assertThat(out[0]).isEqualTo(-16f);
        assertThat(out[16]).isEqualTo(0f);
        assertThat(out[31]).isEqualTo(14f);
    }

    @Test
    void readsPlainTypes() {
        float[] values = {1.5f, -0.25f, 65504f, 0f};
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment f32 = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
            MemorySegment f16 = arena.allocate(8);
            MemorySegment bf16 = arena.allocate(8);
            for (int i = 0; i < 4; i++) {
                f16.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
                bf16.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(values[i]) >>> 16));
            }
            float[] out = new float[4];
            Dequantizer.dequantize(DType.F32, f32, 0, out, 0, 4);
            assertThat(out).containsExactly(values);
            Dequantizer.dequantize(DType.F16, f16, 0, out, 0, 4);
            assertThat(out).containsExactly(values);
            Dequantizer.dequantize(DType.BF16, bf16, 0, out, 0, 4);
            // 65504 has 11 significant bits, a BF16 keeps 8.
            assertThat(out).containsExactly(1.5f, -0.25f, 65280f, 0f);
        }
    }

    @Test
    void refusesWhatItCannotRead() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
        assertThatThrownBy(() -> Dequantizer.dequantize(DType.F8_E4M3, bytes, 0, new float[4], 0, 4))
                .hasMessageContaining("F8_E4M3");
        assertThatThrownBy(() -> Dequantizer.dequantize(DType.Q8_0, bytes, 0, new float[40], 0, 33))
                .hasMessageContaining("33 elements");
    }
}
