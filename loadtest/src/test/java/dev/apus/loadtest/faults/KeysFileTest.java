package dev.apus.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

class KeysFileTest {
    @TempDir
    private Path folder;

    @Test
    void keysComeAndGoAndOthersStay() throws Exception {
        Path path = folder.resolve("keys.yaml");
        Files.writeString(path, """
                keys:
                  - name: theirs
                    sha256: 00
                tenants:
                  acme: {weight: 2}
                """);
        KeysFile file = new KeysFile(path);
        KeysFile.Key first = file.add();
        KeysFile.Key second = file.add();
        file.remove(first);
        JsonNode root = new YAMLMapper().readTree(path.toFile());
        assertThat(root.path("keys").valueStream().map(key -> key.path("name").asString()))
                .containsExactly("theirs", second.name());
        assertThat(root.path("tenants").path("acme").path("weight").asInt()).isEqualTo(2);
        assertThat(Files.readString(path)).doesNotContain(first.secret(), second.secret());
        assertThat(root.path("keys").path(1).path("sha256").asString()).matches("[0-9a-f]{64}");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                .isEqualTo("rw-------");
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(path);
        }
    }

    @Test
    void whatIsNoMapIsNotOverwritten() throws Exception {
        Path path = Files.writeString(folder.resolve("list.yaml"), "- a\n- b\n");
        assertThatThrownBy(() -> new KeysFile(path).add())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("list.yaml is no file of API keys");
        assertThat(Files.readString(path)).isEqualTo("- a\n- b\n");
    }
}
