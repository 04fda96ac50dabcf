package dev.apus.models.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files out of a jar that a stand-in for Maven copies from a local repository's folder. */
class PackageFilesTest {
    private static final Pattern LIBRARIES = Pattern.compile("lib(nvrtc|cublasLt).*\\.so\\..*");

    @TempDir
    Path home;

    private final List<List<String>> commands = new ArrayList<>();

    private PackageFiles files(long freeBytes, String... names) {
        HubOptions options = HubOptions.fromEnvironment(Map.of("HOME", home.toString()));
        return new PackageFiles(
                options,
                (command, folder) -> {
                    commands.add(command);
                    writeJar(folder.resolve("cuda.jar"), names);
                    return new CommandRunner.Result(0, "");
                },
                folder -> freeBytes);
    }

    private static void writeJar(Path file, String... names) throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (String name : names) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(name.getBytes(UTF_8));
            }
        }
    }

    private Path folder() {
        return home.resolve("natives/cuda");
    }

    private List<Path> fetch(PackageFiles files) {
        return files.fetch("g:cuda:12:linux-x86_64-redist", LIBRARIES, folder(), 1000, ProgressListener.none());
    }

    @Test
    void takesTheWantedFilesOnly() throws IOException {
        Files.createDirectories(folder());
        Files.writeString(folder().resolve("libnvrtc.so.12"), "an older one");
        List<Path> fetched = fetch(files(
                1 << 20,
                "org/linux/libnvrtc.so.12",
                "org/linux/libnvrtc-builtins.so.12.6",
                "org/linux/libcublasLt.so.12",
                "org/linux/libcublas.so.12",
                "META-INF/MANIFEST.MF"));
        assertThat(fetched)
                .extracting(f -> f.getFileName().toString())
                .containsExactlyInAnyOrder("libnvrtc.so.12", "libnvrtc-builtins.so.12.6", "libcublasLt.so.12");
        assertThat(folder().resolve("libnvrtc.so.12")).hasContent("org/linux/libnvrtc.so.12");
        assertThat(FakeHub.filesBelow(folder()))
                .as("neither the jar nor other files stay")
                .hasSize(3);
        assertThat(commands.getFirst()).contains("-Dartifact=g:cuda:12:jar:linux-x86_64-redist");
    }

    @Test
    void aJarWithoutThemIsAnError() {
        assertThatThrownBy(() -> fetch(files(1 << 20, "org/other.so")))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("mvn:g:cuda:12:linux-x86_64-redist has no file inside that matches");
        assertThat(folder()).isDirectoryNotContaining("glob:**.so*");
    }

    @Test
    void aDiskThatIsTooSmallIsToldBeforeTheDownload() {
        assertThatThrownBy(() -> fetch(files(999, "libnvrtc.so.12")))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("mvn:g:cuda:12:linux-x86_64-redist needs");
        assertThat(commands).isEmpty();
    }

    @Test
    void namesThatLeadOutsideAreRefused() {
        assertThatThrownBy(() -> fetch(files(1 << 20, "../../libnvrtc.so.12"))).isInstanceOf(HubException.class);
        assertThat(home.resolve("libnvrtc.so.12")).doesNotExist();
    }
}
