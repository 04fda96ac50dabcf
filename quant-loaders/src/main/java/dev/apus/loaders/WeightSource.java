package dev.apus.loaders;

import dev.apus.kernels.HostTensor;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The named tensors of one checkpoint, whatever its format: a safetensors file, a sharded set of them, a GGUF file.
 *
 * <p>Tensors are views of mapped files: reading one costs page faults only, and none may be used after {@link #close}. Shapes are in
 * torch order ({@code [out, in]}), names are the file's own.
 */
public interface WeightSource extends AutoCloseable {
    /** Names of all tensors, in file order. */
    Set<String> names();

    /** Whether a tensor of that name is there. */
    default boolean contains(String name) {
        return names().contains(name);
    }

    /**
     * A view of one tensor.
     *
     * @throws CheckpointException if there is no such tensor; the message lists similar names
     */
    HostTensor tensor(String name);

    /** Shape of a tensor, or null if this source makes it in whatever shape it is asked for. */
    default long @Nullable [] shape(String name) {
        return tensor(name).shape();
    }

    /**
     * A view of one tensor, which the caller expects to be of a shape. A source that has its own gives what it has, for the caller to check
     * and report; one that has not makes it so.
     *
     * @throws CheckpointException as {@link #tensor(String)}
     */
    default HostTensor tensor(String name, long[] expected) {
        return tensor(name);
    }

    /** Bytes of all tensors. */
    long byteSize();

    /** What the checkpoint is, for messages: a path. */
    String description();

    /** Unmaps the files. */
    @Override
    void close();
}
