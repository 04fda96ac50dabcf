package dev.apus.kernels.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Zeroed native memory whose pages the operating system hands out on first touch.
 *
 * <p>{@link Arena#allocate} writes zeros to every byte, which would make a KV pool of gigabytes resident before its first token; the C
 * library's {@code calloc} takes large areas from fresh, already zeroed pages.
 */
final class NativeMemory {
    /** A cache line, and the widest vector. */
    static final long ALIGNMENT = 64;

    /** Below this size calloc may reuse memory and clear it anyway; the arena is simpler. */
    private static final long LAZY_FROM = 1 << 20;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle CALLOC = LINKER.downcallHandle(
            LINKER.defaultLookup().findOrThrow("calloc"),
            FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    private static final MethodHandle FREE = LINKER.downcallHandle(
            LINKER.defaultLookup().findOrThrow("free"), FunctionDescriptor.ofVoid(ValueLayout.ADDRESS));

    /** Linux's advice to back an area with 2 MiB pages: a step walks through all weights and many KV blocks, each a TLB miss. */
    private static final int MADV_HUGEPAGE = 14;

    private static final long HUGE_PAGE = 1 << 21;
    private static final @Nullable MethodHandle MADVISE = madvise();

    /** Bytes whose pages are asked for at a time: 16 KiB of answers with pages of 4 KiB. */
    private static final long RESIDENT_CHUNK = 1 << 26;

    private static final @Nullable MethodHandle MINCORE = linux(
            "mincore",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
    private static final @Nullable MethodHandle PAGE_SIZE =
            linux("getpagesize", FunctionDescriptor.of(ValueLayout.JAVA_INT));

    private NativeMemory() {}

    private static @Nullable MethodHandle madvise() {
        return linux(
                "madvise",
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    }

    private static @Nullable MethodHandle linux(String name, FunctionDescriptor type) {
        Optional<MemorySegment> symbol = System.getProperty("os.name").equals("Linux")
                ? LINKER.defaultLookup().find(name)
                : Optional.empty();
        return symbol.map(address -> LINKER.downcallHandle(address, type)).orElse(null);
    }

    /**
     * Bytes of a segment whose pages are in memory; all of them where the system does not tell.
     *
     * @throws IllegalStateException if the segment's arena is closed
     */
    static long residentBytes(MemorySegment segment) {
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException("the memory was freed");
        }
        if (MINCORE == null || PAGE_SIZE == null || segment.byteSize() == 0) {
            return segment.byteSize();
        }
        try (Arena arena = Arena.ofConfined()) {
            long page = (int) PAGE_SIZE.invokeExact();
            long end = segment.address() + segment.byteSize();
            MemorySegment pages = arena.allocate(RESIDENT_CHUNK / page);
            long resident = 0;
            for (long at = segment.address() / page * page; at < end; at += RESIDENT_CHUNK) {
                long bytes = Math.min(RESIDENT_CHUNK, end - at);
                if ((int) MINCORE.invokeExact(at, bytes, pages) != 0) {
                    throw new IllegalStateException("mincore refused " + bytes + " bytes of live memory");
                }
                for (long i = 0; i < (bytes + page - 1) / page; i++) {
                    // Other bits than the lowest are reserved.
                    resident += (pages.get(ValueLayout.JAVA_BYTE, i) & 1) * page;
                }
            }
            return Math.min(resident, segment.byteSize());
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable t) {
            throw new IllegalStateException("mincore could not be called", t);
        }
    }

    /**
     * Allocates zeroed bytes that live as long as the arena, aligned to a cache line.
     *
     * @throws OutOfMemoryError if the system refuses
     */
    static MemorySegment allocate(Arena arena, long bytes) {
        if (bytes < LAZY_FROM) {
            return arena.allocate(Math.max(bytes, ALIGNMENT), ALIGNMENT).asSlice(0, bytes);
        }
        long padded = bytes + ALIGNMENT;
        MemorySegment raw = calloc(padded);
        if (raw.address() == 0) {
            throw new OutOfMemoryError("the system refused " + bytes + " bytes of native memory");
        }
        adviseHugePages(raw.address(), padded);
        long skip = -raw.address() & (ALIGNMENT - 1);
        return raw.reinterpret(padded, arena, NativeMemory::free).asSlice(skip, bytes, ALIGNMENT);
    }

    /** Advises the whole huge pages inside an area; a kernel that refuses leaves small ones, which only cost speed. */
    private static void adviseHugePages(long address, long bytes) {
        long from = (address + HUGE_PAGE - 1) & -HUGE_PAGE;
        long to = (address + bytes) & -HUGE_PAGE;
        if (MADVISE == null || to - from < HUGE_PAGE) {
            return;
        }
        try {
            int refused = (int) MADVISE.invokeExact(from, to - from, MADV_HUGEPAGE);
            assert refused == 0 || refused == -1;
        } catch (Throwable t) {
            throw new IllegalStateException("madvise could not be called", t);
        }
    }

    private static MemorySegment calloc(long bytes) {
        try {
            return (MemorySegment) CALLOC.invokeExact(1L, bytes);
        } catch (Throwable t) {
            throw new IllegalStateException("calloc could not be called", t);
        }
    }

    private static void free(MemorySegment segment) {
        try {
            FREE.invokeExact(segment);
        } catch (Throwable t) {
            throw new IllegalStateException("free could not be called", t);
        }
    }
}
