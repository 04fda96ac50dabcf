package dev.apus.loadtest.faults;

import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** API keys at present. Thread-safe. */
final class Keys {
    private final AtomicReference<List<String>> current;

    Keys(List<String> keys) {
        current = new AtomicReference<>(List.copyOf(keys));
    }

    /** That of a tenant; those beyond the last key share it. Null if the server asks for none. */
    @Nullable
    String of(int tenant) {
        List<String> keys = current.get();
        return keys.isEmpty() ? null : keys.get(Math.min(tenant, keys.size() - 1));
    }

    /** From now on this key alone. */
    void set(String key) {
        current.set(List.of(key));
    }
}
