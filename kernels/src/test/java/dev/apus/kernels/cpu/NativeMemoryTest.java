package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class NativeMemoryTest {
    private static final long BYTES = 100L << 20;

    @Test
    @EnabledOnOs(OS.LINUX)
    void isResidentOnlyWhereItWasTouched() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = NativeMemory.allocate(arena, BYTES);
            // calloc keeps its own header in the first page, which may be a huge one.
            assertThat(NativeMemory.residentBytes(memory)).isLessThanOrEqualTo(2 << 20);
            memory.asSlice(BYTES - (10 << 20)).fill((byte) 1);
            assertThat(NativeMemory.residentBytes(memory)).isBetween(10L << 20, 15L << 20);
            memory.fill((byte) 1);
            assertThat(NativeMemory.residentBytes(memory)).isEqualTo(BYTES);
        }
    }

    @Test
    void aFreedSegmentIsRefused() {
        MemorySegment memory;
        try (Arena arena = Arena.ofConfined()) {
            memory = NativeMemory.allocate(arena, 8);
            memory.set(ValueLayout.JAVA_LONG, 0, 1);
        }
        assertThatThrownBy(() -> NativeMemory.residentBytes(memory)).hasMessageContaining("freed");
    }
}
