package dev.apus.kernels.cuda.ffi;

import java.nio.file.Path;
import java.util.Map;

/** The folder where Apus keeps what it can make or fetch again. */
public final class ApusCache {
    private ApusCache() {}

    /** {@code APUS_CACHE}, else {@code $XDG_CACHE_HOME/apus}, else {@code ~/.cache/apus}: the same folder as the model client's. */
    public static Path folder() {
        return folder(System.getenv(), Path.of(System.getProperty("user.home", ".")));
    }

    static Path folder(Map<String, String> environment, Path home) {
        String own = environment.getOrDefault("APUS_CACHE", "");
        if (!own.isBlank()) {
            return own.startsWith("~/") ? home.resolve(own.substring(2)) : Path.of(own);
        }
        String caches = environment.getOrDefault("XDG_CACHE_HOME", "");
        return (caches.isBlank() ? home.resolve(".cache") : Path.of(caches)).resolve("apus");
    }
}
