package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.KeysText;
import dev.apus.server.auth.Role;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeysCommandTest {
    @TempDir
    private Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int run(String... arguments) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        return Main.run(Map.of(), new PrintWriter(out, true), new PrintWriter(err, true), arguments);
    }

    private String file() {
        return folder.resolve("keys.yaml").toString();
    }

    @Test
    void createListRevoke() throws Exception {
        assertThat(run("keys", "create", file(), "--name", "chat", "--tenant", "acme", "--expires", "90d"))
                .isZero();
        String secret = out.toString().strip();
        assertThat(secret).matches("sk-apus-\\S{43}");
        assertThat(Files.readString(Path.of(file()))).doesNotContain(secret).contains(ApiKey.hash(secret));
        assertThat(run("keys", "create", file(), "--name=ops", "--role=admin,monitor", "--allowed-models=a,b"))
                .isZero();

        ApiKey chat = KeysText.read(Path.of(file())).keys().getFirst();
        assertThat(chat.principal().tenant()).isEqualTo("acme");
        assertThat(Duration.between(Instant.now(), Objects.requireNonNull(chat.expires()))
                        .toHours())
                .isBetween(89 * 24L, 90 * 24L);
        ApiKey ops = KeysText.read(Path.of(file())).keys().getLast();
        assertThat(ops.principal().roles()).isEqualTo(Set.of(Role.ADMIN, Role.MONITOR));
        assertThat(ops.principal().models()).isEqualTo(Set.of("a", "b"));

        assertThat(run("keys", "revoke", file(), "chat")).isZero();
        assertThat(run("keys", "list", file())).isZero();
        assertThat(out.toString().lines())
                .hasSize(3)
                .anyMatch(line -> line.matches("chat +acme +inference +\\d{4}-\\d\\d-\\d\\d +revoked +all"))
                .anyMatch(line -> line.matches("ops +ops +monitor,admin +\\d{4}-\\d\\d-\\d\\d +valid +a,b"));
    }

    @Test
    void whatCannotBeIsSaid() {
        assertThat(run("keys")).isEqualTo(2);
        assertThat(err.toString()).contains("create, list or revoke");
        assertThat(run("keys", "create", file())).isEqualTo(2);
        assertThat(err.toString()).contains("--name");
        assertThat(run("keys", "create", file(), "--name", "a", "--role", "root"))
                .isEqualTo(2);
        assertThat(err.toString()).contains("inference, monitor, admin");
        assertThat(run("keys", "create", file(), "--name", "a", "--expires", "2020-01-01"))
                .isEqualTo(2);
        assertThat(err.toString()).contains("which is over");
        assertThat(Path.of(file())).doesNotExist();
        assertThat(run("keys", "create", file(), "--name", "a")).isZero();
        assertThat(run("keys", "create", file(), "--name", "a")).isEqualTo(1);
        assertThat(err.toString()).contains("'a' is there twice");
        assertThat(out.toString()).isEmpty();
        assertThat(run("keys", "revoke", file(), "b")).isEqualTo(1);
        assertThat(err.toString()).contains("no key 'b'");
        assertThat(run("keys", "list", folder.resolve("none").toString())).isEqualTo(1);
        assertThat(err.toString()).contains("no such file");
    }

    @Test
    void serveRefusesKeysThatCannotBeBeforeItLooksForTheModel() {
        assertThat(run("serve", "./no-such-model", "--api-keys-file", file())).isEqualTo(2);
        assertThat(err.toString()).contains("no such file", "keys.yaml");
        assertThat(run("serve", "./no-such-model", "--api-key", "a b")).isEqualTo(2);
        assertThat(err.toString()).contains("printable ASCII").doesNotContain("a b");
    }
}
