package dev.apus.loaders;

import dev.apus.kernels.DType;
import dev.apus.kernels.HostTensor;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The tensors of one mapped file: look-up by name and views of their bytes. Safe for concurrent readers. */
final class TensorTable implements AutoCloseable {
    private final MappedFile file;
    private final Map<String, TensorEntry> entries;
    private final Map<String, MemorySegment> alignedCopies = new ConcurrentHashMap<>();

    /** @param entries by name, in file order, each already checked to lie inside {@code file} */
    TensorTable(MappedFile file, Map<String, TensorEntry> entries) {
        this.file = file;
        this.entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
    }

    /** {@code entries} ordered by their place in the file, empty ones first among equals. */
    static List<TensorEntry> byOffset(Collection<TensorEntry> entries) {
        return entries.stream()
                .sorted(Comparator.comparingLong(TensorEntry::offset).thenComparingLong(TensorEntry::byteSize))
                .toList();
    }

    Set<String> names() {
        return entries.keySet();
    }

    MappedFile file() {
        return file;
    }

    @Nullable
    TensorEntry entry(String name) {
        return entries.get(name);
    }

    long byteSize() {
        return entries.values().stream().mapToLong(TensorEntry::byteSize).sum();
    }

    /**
     * A view of tensor {@code name}.
     *
     * @throws CheckpointException if it is not there or of a type that cannot be read
     * @throws IllegalStateException after {@link #close}
     */
    HostTensor tensor(String name) {
        file.checkOpen();
        TensorEntry entry = entries.get(name);
        if (entry == null) {
            throw new CheckpointException(file.path() + ": there is no tensor " + Messages.quote(name)
                    + Messages.suggestions(name, entries.keySet()));
        }
        DType dtype = entry.dtype();
        if (dtype == null) {
            throw new CheckpointException(file.path() + ": tensor " + Messages.quote(name) + " is of type "
                    + entry.typeName() + ", which is not supported; supported types: " + List.of(DType.values())
                    + "; convert the checkpoint to one of these");
        }
        return new HostTensor(dtype, entry.shape(), bytes(entry, dtype));
    }

    /**
     * The tensor's bytes. Safetensors files may place a tensor at an address that is no multiple of its element size (writers that mix
     * types); kernels read whole elements, so such a tensor is copied once.
     */
    private MemorySegment bytes(TensorEntry entry, DType dtype) {
        MemorySegment view = file.bytes().asSlice(entry.offset(), entry.byteSize());
        if (dtype.isBlocked() || view.address() % dtype.blockBytes() == 0) {
            return view;
        }
        return alignedCopies.computeIfAbsent(
                entry.name(),
                _ -> file.allocate(view.byteSize(), 64).copyFrom(view).asReadOnly());
    }

    @Override
    public void close() {
        file.close();
    }
}
