package dev.apus.kernels.cpu;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How much memory the machine, or the container this process lives in, has to spare. */
final class HostMemory {
    private HostMemory() {}

    /** Bytes that may be allocated without swapping. */
    static long available() {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        return available(Path.of("/"), system.getFreeMemorySize(), system.getTotalMemorySize());
    }

    /**
     * Corrects the JVM's figures, in which the file cache counts as used although it yields to allocations: right after a download it
     * may be most of what is used. Linux's own estimates leave it out.
     *
     * @param root where {@code proc} and {@code sys} are looked for
     * @param free bytes free as the JVM says: of the machine, or below a container's limit
     * @param total bytes of the machine, or the container's limit, which the JVM says if it is smaller
     */
    static long available(Path root, long free, long total) {
        Path meminfo = root.resolve("proc/meminfo");
        long machine = 1024 * number(meminfo, "MemTotal:");
        long estimate = 1024 * number(meminfo, "MemAvailable:");
        if (machine == 0 || total >= machine) {
            return Math.max(free, estimate);
        }
        long own = Math.max(0, free) + idleFileCache(root);
        return Math.min(estimate == 0 ? own : Math.min(own, estimate), total);
    }

    /** Bytes of the file cache that the container's limit counts and that were not used lately: the first to be dropped. */
    private static long idleFileCache(Path root) {
        for (Path folder : controlGroups(root)) {
            Path stat = folder.resolve("memory.stat");
            if (Files.isReadable(stat)) {
                // Version 1 counts groups below apart; its total_ fields include them, as version 2's do.
                return Math.max(number(stat, "total_inactive_file "), number(stat, "inactive_file "));
            }
        }
        return 0;
    }

    /** Where this process's memory controller may be, version 2 or 1: its own path, or with a namespace of groups the root. */
    private static List<Path> controlGroups(Path root) {
        Path mounts = root.resolve("sys/fs/cgroup");
        List<Path> folders = new ArrayList<>();
        for (String line : lines(root.resolve("proc/self/cgroup"))) {
            String[] fields = line.split(":", 3);
            if (fields.length == 3
                    && (fields[1].isEmpty() || List.of(fields[1].split(",")).contains("memory"))) {
                Path mount = fields[1].isEmpty() ? mounts : mounts.resolve("memory");
                folders.add(mount.resolve(fields[2].substring(fields[2].startsWith("/") ? 1 : 0)));
            }
        }
        folders.add(mounts);
        folders.add(mounts.resolve("memory"));
        return folders;
    }

    /** The number behind {@code field} at the start of a line; 0 where there is none. */
    private static long number(Path file, String field) {
        for (String line : lines(file)) {
            if (line.startsWith(field)) {
                return Long.parseLong(
                        line.substring(field.length()).replace("kB", "").strip());
            }
        }
        return 0;
    }

    private static List<String> lines(Path file) {
        if (!Files.isReadable(file)) {
            return List.of();
        }
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }
}
