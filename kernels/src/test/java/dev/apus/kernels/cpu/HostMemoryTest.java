package dev.apus.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Free memory as Linux tells it, from files of a made-up machine of 8 GiB. */
class HostMemoryTest {
    private static final long MIB = 1L << 20;

    @TempDir
    Path root;

    private void file(String name, String text) throws IOException {
        Path path = root.resolve(name);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private void machine(long availableMib) throws IOException {
        file("proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: " + 1024 * availableMib + " kB\n");
    }

    @Test
    void takesTheMachinesOwnEstimateWithoutALimit() throws IOException {
        machine(3000);
        assertThat(HostMemory.available(root, 100 * MIB, 8192 * MIB)).isEqualTo(3000 * MIB);
    }

    @Test
    void takesTheJvmsWordElsewhere() {
        assertThat(HostMemory.available(root, 100 * MIB, 8192 * MIB)).isEqualTo(100 * MIB);
    }

    @Test
    void countsACachedDownloadAsFreeUnderALimit() throws IOException {
        machine(6000);
        file("proc/self/cgroup", "0::/\n");
        file("sys/fs/cgroup/memory.stat", "anon 1\nfile 2\ninactive_file " + 900 * MIB + "\n");
        assertThat(HostMemory.available(root, 100 * MIB, 2048 * MIB)).isEqualTo(1000 * MIB);
    }

    @Test
    void findsItsOwnGroupOfEitherVersion() throws IOException {
        machine(6000);
        file("sys/fs/cgroup/memory.stat", "inactive_file " + 5000 * MIB + "\n");
        file("proc/self/cgroup", "0::/a.slice/b.service\n");
        file("sys/fs/cgroup/a.slice/b.service/memory.stat", "inactive_file " + 20 * MIB + "\n");
        assertThat(HostMemory.available(root, 100 * MIB, 2048 * MIB)).isEqualTo(120 * MIB);
        file("proc/self/cgroup", "11:cpu,cpuacct:/x\n4:memory:/docker/1\n");
        file("sys/fs/cgroup/memory/docker/1/memory.stat", "inactive_file 7\ntotal_inactive_file " + 30 * MIB + "\n");
        assertThat(HostMemory.available(root, 100 * MIB, 2048 * MIB)).isEqualTo(130 * MIB);
    }

    @Test
    void promisesNoMoreThanTheMachineHas() throws IOException {
        machine(500);
        file("sys/fs/cgroup/memory.stat", "inactive_file " + 900 * MIB + "\n");
        assertThat(HostMemory.available(root, 100 * MIB, 2048 * MIB)).isEqualTo(500 * MIB);
    }
}
