package dev.apus.kernels.cuda.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.kernels.cuda.NativeCode;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
    private static final List<String> SONAMES = List.of("libapusfake.so.13", "libapusfake.so.12");
    private static final FunctionDescriptor ANSWER = FunctionDescriptor.of(ValueLayout.JAVA_INT);

    @TempDir
    private Path root;

    private Path home = Path.of("");
    private Path cache = Path.of("");

    @BeforeEach
    void folders() {
        home = root.resolve("home/me");
        cache = root.resolve("cache");
    }

    private LibrarySearch search(String setting, String... environment) {
        Map<String, String> variables = new HashMap<>(Map.of("HOME", home.toString()));
        for (int i = 0; i < environment.length; i += 2) {
            variables.put(environment[i], environment[i + 1]);
        }
        return LibrarySearch.of(variables, setting.isEmpty() ? null : setting, root, cache);
    }

    private Path place(String path, String soname) throws Exception {
        Path file = root.resolve(path).resolve(soname);
        NativeCode.library("int answer(void) { return 42; }", file);
        return file;
    }

    private void finds(LibrarySearch search, Path file) {
        NativeLibrary found = search.find("fake", SONAMES);
        assertThat(found.obstacle()).isNull();
        assertThat(found.origin()).isEqualTo(file.toString());
    }

    @Test
    void placesAreTriedInTheDocumentedOrder() throws Exception {
        Path fetched = place("cache/natives/cuda", "libapusfake.so.12");
        finds(search(""), fetched);
        Path system = place("usr/lib/python3.11/dist-packages/nvidia/cublas/lib", "libapusfake.so.12");
        finds(search(""), system);
        Path local = place("home/me/.local/lib/python3.12/site-packages/nvidia/cu13/lib", "libapusfake.so.13");
        finds(search(""), local);
        Path environment = place("venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib", "libapusfake.so.12");
        finds(search("", "VIRTUAL_ENV", root.resolve("venv").toString()), environment);
        Path toolkit = place("usr/local/cuda-12.6/targets/x86_64-linux/lib", "libapusfake.so.12");
        finds(search(""), toolkit);
        Path newer = place("usr/local/cuda-13.0/lib64", "libapusfake.so.13");
        finds(search(""), newer);
        Path set = place("elsewhere", "libapusfake.so.12");
        finds(search(root.resolve("elsewhere").toString()), set);
        finds(search("", LibrarySearch.VARIABLE, set.toString()), set);
        finds(search(set.toString(), LibrarySearch.VARIABLE, newer.toString()), set);
    }

    @Test
    void pythonPrefixesBelowOptAreTried() throws Exception {
        Path file = place("opt/thing/.venv/lib/python3.13/site-packages/nvidia/cu13/lib", "libapusfake.so.13");
        finds(search(""), file);
    }

    @Test
    void aSettingMayNameAToolkitOrAPrefixAndSeveral() throws Exception {
        Path first = place("a/lib64", "libapusfake.so.13");
        Path second = place("b/lib/python3.11/site-packages/nvidia/cu13/lib", "libapusfake.so.13");
        finds(search(root.resolve("missing") + ":" + root.resolve("a")), first);
        finds(search(root.resolve("b").toString()), second);
    }

    @Test
    void aBrokenFileIsNamedAndPassedOver() throws Exception {
        Path broken = Files.createDirectories(root.resolve("usr/local/cuda-13.1/lib64"))
                .resolve("libapusfake.so.13");
        Files.writeString(broken, "no library");
        Path good = place("usr/local/cuda-12.6/lib64", "libapusfake.so.12");
        NativeLibrary found = search("").find("fake", SONAMES);
        assertThat(found.origin()).isEqualTo(good.toString());
        assertThat(found.attempts()).anyMatch(attempt -> attempt.startsWith(broken.toString()));
    }

    @Test
    void aMissingLibraryFailsLateAndTellsWhatWasTried() {
        NativeLibrary missing = search(root.resolve("nowhere").toString()).find("Fake (libapusfake.so)", SONAMES);
        assertThat(missing.isPresent()).isFalse();
        assertThat(missing.origin()).isNull();
        MethodHandle handle = missing.handle(
                "answer", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
        assertThat(handle.type().parameterCount()).isEqualTo(2);
        assertThatThrownBy(() -> missing.handle("answer", ANSWER).invoke())
                .isInstanceOf(NativeLinkException.class)
                .hasMessageStartingWith("answer cannot be called: Fake (libapusfake.so) was not found; tried ")
                .hasMessageContaining(root.resolve("nowhere") + " of apus.cuda.path (there is no such file or folder)")
                .hasMessageContaining("libapusfake.so.13 from the system, libapusfake.so.12 from the system")
                .hasMessageContaining(cache.resolve("natives/cuda").toString());
    }

    @Test
    void aMissingFunctionFailsLateAndTheOthersWork() throws Throwable {
        Path file = place("elsewhere", "libapusfake.so.13");
        NativeLibrary library = search(file.toString()).find("fake", SONAMES);
        assertThat((int) library.handle("answer", ANSWER).invoke()).isEqualTo(42);
        assertThat(library.has("answer")).isTrue();
        assertThat(library.has("question")).isFalse();
        assertThatThrownBy(() -> library.handle("question", ANSWER).invoke())
                .isInstanceOf(NativeLinkException.class)
                .hasMessage("question cannot be called: fake from " + file
                        + " has no such function; a newer one is needed");
    }

    @Test
    void anOldDriverGetsLibrariesOfItsMajorVersion() {
        assertThat(CudaVersions.sonames("libnvrtc.so", false)).containsExactly("libnvrtc.so.13", "libnvrtc.so.12");
        assertThat(CudaVersions.sonames("libnvrtc.so", true)).containsExactly("libnvrtc.so.12");
        assertThat(CudaVersions.name(12_080)).isEqualTo("12.8");
    }

    @Test
    void theCacheFolderFollowsTheEnvironment() {
        Path me = Path.of("/home/me");
        assertThat(ApusCache.folder(Map.of(), me)).isEqualTo(Path.of("/home/me/.cache/apus"));
        assertThat(ApusCache.folder(Map.of("XDG_CACHE_HOME", "/x"), me)).isEqualTo(Path.of("/x/apus"));
        assertThat(ApusCache.folder(Map.of("XDG_CACHE_HOME", "/x", "APUS_CACHE", "~/c"), me))
                .isEqualTo(Path.of("/home/me/c"));
    }
}
