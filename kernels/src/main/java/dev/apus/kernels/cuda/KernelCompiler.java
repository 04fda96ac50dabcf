package dev.apus.kernels.cuda;

import dev.apus.kernels.cuda.ffi.CudaException;
import dev.apus.kernels.cuda.ffi.NativeLibrary;
import dev.apus.kernels.cuda.ffi.NativeLinkException;
import dev.apus.kernels.cuda.ffi.Nvrtc;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * Makes kernels for one device out of their sources: compiled by NVRTC for its very architecture with tile sizes and types as defines,
 * several at once, and kept on disk, so that only the first start pays and later ones need no NVRTC.
 *
 * <p>Safe for use by several threads.
 */
public final class KernelCompiler implements AutoCloseable {
    /** NVRTC takes a core for some hundred milliseconds a source; there are about thirty. */
    private static final int MOST_THREADS = 8;

    private final CudaDevice device;
    private final Cubins cubins;

    /** @param cache Apus' cache folder */
    public KernelCompiler(CudaDevice device, Path cache) {
        this.device = device;
        cubins = new Cubins(device.architecture(), new CubinCache(kernelFolder(cache)));
    }

    /** Where compiled kernels are kept. */
    static Path kernelFolder(Path cache) {
        return cache.resolve("kernels");
    }

    /**
     * Kernels compiled together, loaded into the device; the caller closes them.
     *
     * @param resource source file, as {@code norm.cu}
     * @param defines preprocessor names and values
     * @throws NativeLinkException if they are not kept from an earlier start and there is no NVRTC
     * @throws IllegalStateException if the source has errors, with the compiler's messages
     */
    KernelModule load(String resource, Map<String, String> defines) {
        KernelSource source = new KernelSource(resource, defines);
        byte[] cubin = cubins.take(source);
        try {
            return KernelModule.load(device, source.toString(), cubin);
        } catch (CudaException e) {
            CudaException told = new CudaException(
                    e.call(),
                    e.code(),
                    e.error(),
                    "the kernels of " + source + ", compiled for " + device.architecture());
            told.initCause(e);
            throw told;
        }
    }

    /** Begins to compile in the background; {@link #load} with the same arguments then waits for this. */
    CompletableFuture<byte[]> prefetch(String resource, Map<String, String> defines) {
        return cubins.begin(new KernelSource(resource, defines));
    }

    /** Ends the compilations under way and the threads. Loaded modules stay. */
    @Override
    public void close() {
        cubins.close();
    }

    /** Machine code for an architecture, device or not. */
    static final class Cubins implements AutoCloseable {
        private final String architecture;
        private final CubinCache cache;
        private final ExecutorService pool;
        private final Map<KernelSource, CompletableFuture<byte[]>> begun = new ConcurrentHashMap<>();

        Cubins(String architecture, CubinCache cache) {
            this.architecture = architecture;
            this.cache = cache;
            pool = Executors.newFixedThreadPool(
                    Math.clamp(Runtime.getRuntime().availableProcessors(), 1, MOST_THREADS),
                    Thread.ofPlatform().name("apus-nvrtc-", 0).daemon(true).factory());
        }

        CompletableFuture<byte[]> begin(KernelSource source) {
            return begun.computeIfAbsent(source, s -> CompletableFuture.supplyAsync(() -> make(s), pool));
        }

        /** The machine code, made here and now unless it was begun; forgets it, for a module holds a copy. */
        byte[] take(KernelSource source) {
            CompletableFuture<byte[]> future = begun.remove(source);
            if (future == null) {
                return make(source);
            }
            try {
                return future.join();
            } catch (CompletionException e) {
                if (e.getCause() instanceof RuntimeException cause) {
                    throw cause;
                }
                throw e;
            }
        }

        private byte[] make(KernelSource source) {
            String key = source.key(architecture);
            if (!Nvrtc.library().isPresent()) {
                return withoutCompiler(source, key);
            }
            String version = Nvrtc.version();
            byte[] kept = cache.get(key, version);
            if (kept != null) {
                return kept;
            }
            byte @Nullable [] made = source.compile(architecture).cubin();
            if (made == null) {
                throw new IllegalStateException("NVRTC gave no code for " + source);
            }
            cache.put(key, version, made);
            return made;
        }

        private byte[] withoutCompiler(KernelSource source, String key) {
            byte[] kept = cache.getAny(key);
            if (kept != null) {
                return kept;
            }
            NativeLibrary nvrtc = Nvrtc.library();
            throw new NativeLinkException("the kernels of " + source + " must be compiled for " + architecture
                    + ", but " + nvrtc.obstacle() + "; " + CudaSupport.GET_NVRTC);
        }

        @Override
        public void close() {
            pool.shutdownNow();
            pool.close();
        }
    }
}
