package dev.apus.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CubinCacheTest {
    private static final String KEY = "k".repeat(64);

    @TempDir
    private Path folder;

    private static byte[] code(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private Path entry() {
        return folder.resolve(KEY + "-13.0.cubin");
    }

    @Test
    void givesBackWhatWasPut() {
        CubinCache cache = new CubinCache(folder.resolve("made/on/demand"));
        assertThat(cache.isEmpty()).isTrue();
        assertThat(cache.get(KEY, "13.0")).isNull();
        cache.put(KEY, "13.0", code(1, 5000));
        assertThat(cache.get(KEY, "13.0")).isEqualTo(code(1, 5000));
        assertThat(cache.get(KEY, "12.6")).isNull();
        assertThat(cache.isEmpty()).isFalse();
    }

    @Test
    void withoutACompilerTheNewestVersionServes() throws Exception {
        CubinCache cache = new CubinCache(folder);
        assertThat(cache.getAny(KEY)).isNull();
        cache.put(KEY, "12.6", code(1, 100));
        cache.put(KEY, "13.0", code(2, 100));
        cache.put("other", "13.1", code(3, 100));
        Files.setLastModifiedTime(folder.resolve(KEY + "-12.6.cubin"), FileTime.fromMillis(1000));
        assertThat(cache.getAny(KEY)).isEqualTo(code(2, 100));
        Files.write(entry(), new byte[] {1, 2, 3});
        assertThat(cache.getAny(KEY)).isEqualTo(code(1, 100));
    }

    @Test
    void entriesCutShortOrChangedAreNotUsed() throws Exception {
        CubinCache cache = new CubinCache(folder);
        cache.put(KEY, "13.0", code(1, 500));
        byte[] whole = Files.readAllBytes(entry());
        for (int length = 0; length < whole.length; length += 7) {
            Files.write(entry(), Arrays.copyOf(whole, length));
            assertThat(cache.get(KEY, "13.0")).as("%d bytes", length).isNull();
        }
        for (int at = 0; at < whole.length; at += 13) {
            byte[] changed = whole.clone();
            changed[at] ^= 1;
            Files.write(entry(), changed);
            assertThat(cache.get(KEY, "13.0")).as("byte %d changed", at).isNull();
        }
        cache.put(KEY, "13.0", code(2, 500));
        assertThat(cache.get(KEY, "13.0")).isEqualTo(code(2, 500));
    }

    @Test
    void aFolderThatCannotBeWrittenIsNoError() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        CubinCache cache = new CubinCache(file.resolve("kernels"));
        cache.put(KEY, "13.0", code(1, 100));
        cache.put(KEY, "13.0", code(1, 100));
        assertThat(cache.get(KEY, "13.0")).isNull();
        assertThat(cache.getAny(KEY)).isNull();
        assertThat(file).hasContent("in the way");
    }

    @Test
    void writersAndReadersAtOnceSeeWholeEntriesOnly() throws Exception {
        byte[][] codes = {code(1, 60_000), code(2, 60_000), code(3, 60_000)};
        new CubinCache(folder).put(KEY, "13.0", codes[0]);
        try (ExecutorService pool = Executors.newFixedThreadPool(6)) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                int thread = i;
                CubinCache cache = new CubinCache(folder); // as another process would
                all.add(pool.submit(() -> {
                    for (int round = 0; round < 60; round++) {
                        if (thread < 3) {
                            cache.put(KEY, "13.0", codes[thread]);
                        } else {
                            byte[] read = cache.get(KEY, "13.0");
                            assertThat(read != null && Arrays.stream(codes).anyMatch(c -> Arrays.equals(c, read)))
                                    .isTrue();
                        }
                    }
                }));
            }
            for (Future<?> one : all) {
                one.get(60, TimeUnit.SECONDS);
            }
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).containsExactly(entry());
        }
    }
}
