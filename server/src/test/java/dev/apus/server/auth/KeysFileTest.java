package dev.apus.server.auth;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class KeysFileTest {
    private static final String HASH = "a".repeat(64);

    @TempDir
    private Path folder;

    private static KeysFile parse(String text) {
        return KeysText.parse(text.getBytes(StandardCharsets.UTF_8));
    }

    private static KeysFile.Entry entry(String name, String secret) {
        return new KeysFile.Entry(name, ApiKey.hash(secret), name, Set.of(Role.INFERENCE), Set.of(), null, null, false);
    }

    @Test
    void readsYaml() {
        KeysFile file = parse("""
                # for the chat application
                keys:
                  - name: chat
                    sha256: %s
                    tenant: acme
                    roles: [inference, monitor]
                    models: [one, two]
                    created: 2026-01-02
                    expires: 2027-01-02T03:04:05Z
                  - name: 7
                    sha256: %s
                    disabled: true
                tenants:
                  acme:
                    weight: 2.5
                    kv_share: 0.25
                    requests_per_minute: 60
                    tokens_per_minute: 10000
                    max_concurrent: 4
                """.formatted(HASH, "b".repeat(64)));
        assertThat(file.keys())
                .containsExactly(
                        new ApiKey(
                                HASH,
                                new Principal(
                                        "chat",
                                        "acme",
                                        Set.of(Role.INFERENCE, Role.MONITOR),
                                        Set.of("one", "two"),
                                        new Terms(2.5, 0.25, 60, 10000, 4)),
                                Instant.parse("2026-01-02T00:00:00Z"),
                                Instant.parse("2027-01-02T03:04:05Z"),
                                false),
                        new ApiKey(
                                "b".repeat(64),
                                new Principal("7", "7", Set.of(Role.INFERENCE), Set.of(), Terms.USUAL),
                                null,
                                null,
                                true));
    }

    @ParameterizedTest
    @ValueSource(strings = {"keys: []", "{\"keys\": [], \"tenants\": {}}"})
    void aFileMayHoldNoKeys(String text) {
        assertThat(parse(text)).isEqualTo(KeysFile.EMPTY);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsWrittenIsReadAgain(boolean json) {
        KeysFile.Entry full = new KeysFile.Entry(
                "true",
                HASH,
                "1e3",
                Set.of(Role.ADMIN, Role.MONITOR),
                Set.of("null", "a/b:c"),
                Instant.parse("2026-01-02T00:00:00Z"),
                Instant.parse("2027-01-02T03:04:05Z"),
                true);
        KeysFile file = KeysFile.EMPTY.with(full).with(entry("two", "x")).with("1e3", new Terms(3, 0.5, 1, 2, 3));
        String text = KeysText.text(file, json);
        assertThat(parse(text)).isEqualTo(file);
        assertThat(text.startsWith("{")).isEqualTo(json);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '!',
            quoteCharacter = '`',
            value = {
                "[] ! must hold names",
                "keys: 3 ! 'keys' must be a list",
                "keys: {} ! 'keys' must be a list",
                "keys: [3] ! keys[0] must hold names",
                "keys: [{}] ! keys[0]: 'name' is missing",
                "keys: [{name: a}] ! keys[0]: 'sha256' is missing",
                "keys: [{name: a, key: secret-value}] ! unknown 'key'",
                "keys: [{name: a, sha256: secret-value}] ! 64 hexadecimal digits",
                "keys: [{name: a, sha256: H, sha256: H}] ! no valid YAML",
                "keys: [{name: 'a b', sha256: H}] ! name must have 1 to 128 characters",
                "keys: [{name: a, tenant: 'a\"b', sha256: H}] ! tenant must have",
                "keys: [{name: a, sha256: H, roles: [root]}] ! must be one of inference, monitor, admin",
                "keys: [{name: a, sha256: H, roles: []}] ! 'roles' must be a list",
                "keys: [{name: a, sha256: H, roles: admin}] ! 'roles' must be a list",
                "keys: [{name: a, sha256: H, models: }] ! 'models' must be a list",
                "keys: [{name: a, sha256: H, models: [{}]}] ! 'models' must be a list",
                "keys: [{name: a, sha256: H, expires: tomorrow}] ! must be as 2027-01-31",
                "keys: [{name: a, sha256: H, expires: 2027-02-31}] ! must be as 2027-01-31",
                "keys: [{name: a, sha256: H, disabled: 'no'}] ! must be true or false",
                "keys: [{name: a, sha256: H}, {name: a, sha256: I}] ! 'a' is there twice",
                "tenants: [a] ! 'tenants' must map",
                "tenants: {a: 3} ! tenants.a must hold",
                "tenants: {a: {wieght: 3}} ! unknown 'wieght'",
                "tenants: {a: {weight: 0}} ! weight is 0.0",
                "tenants: {a: {weight: heavy}} ! must be a number",
                "tenants: {a: {kv_share: 1.5}} ! kv_share is 1.5",
                "tenants: {a: {requests_per_minute: -1}} ! requests_per_minute is -1",
                "tenants: {a: {requests_per_minute: 1.5}} ! must be a whole number",
                "tenants: {a: {tokens_per_minute: 99999999999999999999}} ! must be a whole number",
                "tenants: {'a b': {weight: 1}} ! name of a tenant",
                "keys: [{name: a, sha256: H ! no valid YAML"
            })
    void whatIsWrongIsSaidWithoutTheTextAround(String text, String message) {
        String yaml = text.strip().replace("H", HASH).replace("I", "b".repeat(64));
        assertThatThrownBy(() -> parse(yaml))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message.strip())
                .hasMessageNotContaining("secret-value");
    }

    @Test
    void aMissingFileIsNamed() {
        assertThatThrownBy(() -> KeysText.read(folder.resolve("none.yaml")))
                .hasMessageContainingAll("none.yaml", "no such file", "apus keys create");
    }

    @Test
    void anUpdateIsWholeAndForItsOwnerAlone() throws IOException {
        Path file = folder.resolve("keys.yaml");
        KeysText.update(file, keys -> keys.with(entry("one", "secret-1")));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        KeysText.update(file, keys -> keys.with(entry("two", "secret-2")));
        String before = Files.readString(file);
        assertThat(before).contains(ApiKey.hash("secret-1")).doesNotContain("secret-");
        assertThatThrownBy(() -> KeysText.update(file, keys -> keys.with(entry("two", "secret-3"))))
                .hasMessageContaining("'two' is there twice");
        assertThatThrownBy(() -> KeysText.update(file, keys -> keys.revoked("three")))
                .hasMessageContainingAll("no key 'three'", "[one, two]");
        assertThat(Files.readString(file)).isEqualTo(before);
        KeysText.update(file, keys -> keys.revoked("one"));
        assertThat(KeysText.read(file).keys()).extracting(ApiKey::disabled).containsExactly(true, false);
        assertThat(Objects.requireNonNull(folder.toFile().list()))
                .containsExactlyInAnyOrder("keys.yaml", ".keys.yaml.lock");
    }

    @Test
    void updatesAtOneTimeAreAllKept() throws Exception {
        Path file = folder.resolve("keys.json");
        List<Future<?>> updates = new ArrayList<>();
        // Within one process a second lock is refused, so the updates of a process take turns.
        Object turn = new Object();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (int i = 0; i < 20; i++) {
                KeysFile.Entry entry = entry("k" + i, "s" + i);
                updates.add(threads.submit(() -> {
                    synchronized (turn) {
                        return KeysText.update(file, keys -> keys.with(entry));
                    }
                }));
            }
        }
        for (Future<?> update : updates) {
            update.get();
        }
        assertThat(KeysText.read(file).entries()).hasSize(20);
    }

    @Test
    void aLinkStaysOne() throws IOException {
        Path target = folder.resolve("real.yaml");
        KeysText.update(target, keys -> keys.with(entry("one", "1")));
        Path link = Files.createSymbolicLink(folder.resolve("link.yaml"), target);
        KeysText.update(link, keys -> keys.with(entry("two", "2")));
        assertThat(link).isSymbolicLink();
        assertThat(KeysText.read(target).entries()).hasSize(2);
    }

    @Test
    void changesAreFollowedAndSlipsAreNot() throws Exception {
        Path file = folder.resolve("keys.yaml");
        KeysText.update(file, keys -> keys.with(entry("one", "1")));
        ApiKey given = ApiKey.ofSecret("given", Principal.of("given", Role.INFERENCE));
        try (KeyStore store = new KeyStore(
                new SecurityOptions(List.of(given)).withKeysFile(file).withKeysReload(Duration.ofDays(1)))) {
            assertThat(store.ring().find("given")).isNotNull();
            assertThat(store.ring().find("1")).isNotNull();

            KeysText.update(file, keys -> keys.with(entry("two", "2")));
            store.look();
            assertThat(store.ring().find("2")).as("it may be half written").isNull();
            store.look();
            assertThat(store.ring().find("2")).isNotNull();

            KeyRing before = store.ring();
            for (String slip : List.of(
                    "keys: [",
                    "keys: [{name: x}]",
                    "keys: [{name: x, sha256: " + ApiKey.hash("given") + "}]",
                    // Files that are not written yet, or were cut short.
                    "",
                    "# nothing\n",
                    "{}",
                    "keys:\n",
                    "tenants: {}\n",
                    "[".repeat(200_000),
                    "a: &a [x, x]\nb: &b [*a, *a]\nkeys: [*b, *b]\n",
                    "keys: []\n#" + "x".repeat(1 << 20))) {
                Files.writeString(file, slip);
                store.look();
                store.look();
                assertThat(store.ring())
                        .as(slip.substring(0, Math.min(20, slip.length())))
                        .isSameAs(before);
            }
            Files.delete(file);
            store.look();
            store.look();
            assertThat(store.ring()).isSameAs(before);

            Files.writeString(file, "keys: []");
            store.look();
            store.look();
            assertThat(store.ring().find("1")).isNull();
            assertThat(store.ring().guards()).isTrue();
            assertThat(store.ring().find("given")).isNotNull();
        }
    }

    @Test
    void aFileWithoutKeysLetsNobodyIn() throws IOException {
        Path file = Files.writeString(folder.resolve("keys.yaml"), "keys: []");
        try (KeyStore store = new KeyStore(new SecurityOptions(List.of()).withKeysFile(file))) {
            assertThat(store.ring().guards()).isTrue();
        }
        try (KeyStore store = new KeyStore(SecurityOptions.NONE)) {
            assertThat(store.ring().guards()).isFalse();
        }
    }

    @Test
    void theServerDoesNotStartWithAWrongFile() throws IOException {
        Path file = Files.writeString(folder.resolve("keys.yaml"), "keys: [{name: x}]");
        assertThatThrownBy(() -> new KeyStore(new SecurityOptions(List.of()).withKeysFile(file)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(file.toString(), "'sha256' is missing");
    }

    @Test
    void termsOfATenantAreForAllItsKeys() {
        KeysFile file =
                new KeysFile(List.of(entry("one", "1"), entry("two", "2")), Map.of("one", new Terms(2, 1, 3, 0, 0)));
        assertThat(file.keys())
                .extracting(key -> key.principal().terms().requestsPerMinute())
                .containsExactly(3L, 0L);
    }

    /** Else its holder would be taken for one without a key, who may choose a tenant by a header. */
    @Test
    void noKeyIsCalledAsThoseWithoutOne() {
        assertThatThrownBy(() -> entry("none", "secret")).hasMessageContaining("must not be called 'none'");
        assertThatThrownBy(() -> parse("keys:\n  - name: none\n    sha256: " + HASH + "\n    tenant: acme\n"))
                .hasMessageContaining("keys[0]", "must not be called 'none'");
    }
}
