package dev.apus.loaders;

import dev.apus.kernels.HostTensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * A GGUF checkpoint (versions 2 and 3, little-endian), mapped: {@link #open} reads the header only.
 *
 * <p>Names are ggml's ({@code blk.0.attn_q.weight}); shapes are in torch order, that is ggml's extents reversed. Block formats keep
 * their bytes: dequantising them is the kernels' work. Tensors of every ggml type are listed; {@link #tensor} refuses those without a
 * {@link dev.apus.kernels.DType}. Safe for concurrent readers; after {@link #close}, tensors taken earlier throw
 * {@link IllegalStateException} on access.
 */
public final class GgufFile implements WeightSource {
    private final TensorTable table;
    private final Map<String, Object> metadata;

    private GgufFile(TensorTable table, Map<String, Object> metadata) {
        this.table = table;
        this.metadata = metadata;
    }

    /**
     * Opens a GGUF file.
     *
     * @throws CheckpointException if it cannot be read, or is damaged, truncated, hostile or of an unsupported version; the message
     *     names the file, the key or tensor, and the fault
     */
    public static GgufFile open(Path path) {
        return MappedFile.open(path, file -> {
            GgufHeader header = GgufHeader.read(file);
            return new GgufFile(new TensorTable(file, header.tensors()), header.metadata());
        });
    }

    /**
     * Metadata by key, in file order; unmodifiable, and still usable after {@link #close}.
     *
     * <p>Values: {@link Integer} for u8, i8, u16, i16, i32; {@link Long} for u32, u64 (two's complement), i64; {@link Float},
     * {@link Double}, {@link Boolean}, {@link String}; arrays are immutable random-access lists of these, decoded on access (an element
     * that is not UTF-8 throws {@link CheckpointException} then). Read whole numbers through {@link Number}: writers differ in the width
     * they choose.
     */
    public Map<String, Object> metadata() {
        return metadata;
    }

    @Override
    public Set<String> names() {
        return table.names();
    }

    @Override
    public HostTensor tensor(String name) {
        return table.tensor(name);
    }

    @Override
    public long byteSize() {
        return table.byteSize();
    }

    @Override
    public String description() {
        return table.file().path().toString();
    }

    @Override
    public void close() {
        table.close();
    }
}
