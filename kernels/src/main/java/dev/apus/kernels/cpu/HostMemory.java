package dev.apus.kernels.cpu;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** How much memory the machine, or the container this process lives in, has to spare. */
final class HostMemory {
    private static final Path MEMINFO = Path.of("/proc/meminfo");

    private HostMemory() {}

    /** Bytes that may be allocated without swapping. */
    static long available() {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        long free = system.getFreeMemorySize();
        // Linux counts the file cache, which yields to allocations, as used; only its own estimate leaves it out. A
        // container's limit
        // shows as a smaller total than the machine's.
        long total = meminfo("MemTotal:");
        return total > 0 && system.getTotalMemorySize() >= total ? Math.max(free, meminfo("MemAvailable:")) : free;
    }

    /** A field of /proc/meminfo in bytes, 0 where there is none. */
    private static long meminfo(String field) {
        if (!Files.isReadable(MEMINFO)) {
            return 0;
        }
        try {
            for (String line : Files.readAllLines(MEMINFO)) {
                if (line.startsWith(field)) {
                    return 1024
                            * Long.parseLong(line.substring(field.length())
                                    .replace("kB", "")
                                    .strip());
                }
            }
            return 0;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + MEMINFO, e);
        }
    }
}
