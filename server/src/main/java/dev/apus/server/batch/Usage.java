package dev.apus.server.batch;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Bytes of disk that each tenant has taken. Thread-safe. */
final class Usage {
    /** What a file takes besides its content: a tenant may not store a million empty ones. */
    static final long PER_FILE = 4096;

    private final ConcurrentHashMap<String, AtomicLong> taken = new ConcurrentHashMap<>();
    private final long most;

    /** @param most bytes of one tenant */
    Usage(long most) {
        this.most = most;
    }

    /** Takes bytes that are there already. */
    void add(String tenant, long bytes) {
        // Tenants are those of the keys, so that there are not many.
        taken.computeIfAbsent(tenant, name -> new AtomicLong()).addAndGet(bytes);
    }

    /** Takes bytes that are to be written. @throws BatchException if the tenant has too many */
    void take(String tenant, long bytes) {
        AtomicLong of = taken.computeIfAbsent(tenant, name -> new AtomicLong());
        if (of.addAndGet(bytes) > most) {
            of.addAndGet(-bytes);
            throw new BatchException(
                    BatchException.Kind.QUOTA,
                    "the files of the tenant '" + tenant + "' take as much of the disk as they may, " + most
                            + " bytes; delete some");
        }
    }

    void giveBack(String tenant, long bytes) {
        add(tenant, -bytes);
    }

    long of(String tenant) {
        AtomicLong bytes = taken.get(tenant);
        return bytes == null ? 0 : bytes.get();
    }
}
