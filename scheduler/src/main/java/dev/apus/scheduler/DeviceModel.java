package dev.apus.scheduler;

import dev.apus.kernels.Backend;
import dev.apus.kernels.KvCache;
import dev.apus.models.Checkpoint;
import dev.apus.models.Decoder;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A model on its device. Used by one thread at a time: the loading one, the
 * engine's, and the closing one once the engine has ended.
 */
final class DeviceModel implements AutoCloseable {
    private final Path path;
    private final EngineOptions options;
    private final MemoryPlan plan;
    private @Nullable Backend backend;
    private @Nullable Decoder decoder;
    /** Read by any thread. */
    private volatile @Nullable KvCache cache;

    /** @param backend belongs to this object */
    DeviceModel(Path path, EngineOptions options, MemoryPlan plan, Backend backend) {
        this.path = path;
        this.options = options;
        this.plan = plan;
        this.backend = backend;
    }

    static Checkpoint open(Path path, EngineOptions options) {
        return options.loadFormat() == EngineOptions.LoadFormat.DUMMY
                ? Checkpoint.openDummy(path)
                : Checkpoint.open(path);
    }

    /** Loads the weights and makes the KV cache. */
    DecoderRunner load(Checkpoint checkpoint) {
        Backend device = backend;
        if (device == null) {
            throw new IllegalStateException("the device of " + path + " is closed");
        }
        Decoder loaded = Decoder.load(
                checkpoint.config(),
                checkpoint.weights(),
                device,
                options.maxNumBatchedTokens(),
                options.maxLogitRows(),
                plan.modelLength());
        KvCache made = device.kvCache(plan.kv(), plan.kvBlocks());
        cache = made;
        decoder = loaded;
        return new DecoderRunner(loaded, device, made);
    }

    /** What {@link #load} has loaded. */
    Decoder decoder() {
        return Objects.requireNonNull(decoder, "nothing is loaded");
    }

    /** What it was loaded on. */
    Backend backend() {
        return Objects.requireNonNull(backend, "the device is closed");
    }

    Path path() {
        return path;
    }

    /** Bytes of the KV cache that are in memory by now; 0 while there is none. */
    long kvResidentBytes() {
        KvCache current = cache;
        return current == null ? 0 : current.residentBytes();
    }

    @Override
    public void close() {
        Backend device = backend;
        backend = null;
        cache = null;
        if (device != null) {
            device.close();
        }
    }
}
