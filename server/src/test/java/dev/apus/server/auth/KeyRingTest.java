package dev.apus.server.auth;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KeyRingTest {
    @Test
    void findsEachKeyAndNoOther() {
        List<ApiKey> keys = new ArrayList<>();
        List<String> secrets = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            String secret = ApiKey.generate();
            secrets.add(secret);
            keys.add(ApiKey.ofSecret(secret, Principal.of("k" + i, Role.INFERENCE)));
        }
        KeyRing ring = new KeyRing(keys, true);
        for (int i = 0; i < secrets.size(); i++) {
            assertThat(Objects.requireNonNull(ring.find(secrets.get(i)))
                            .principal()
                            .key())
                    .isEqualTo("k" + i);
            assertThat(ring.find(secrets.get(i) + "x")).isNull();
            assertThat(ring.find(secrets.get(i).substring(1))).isNull();
            assertThat(ring.find(keys.get(i).sha256())).as("the hash is no key").isNull();
        }
        assertThat(ring.find("")).isNull();
        assertThat(new KeyRing(List.of(), true).find("x")).isNull();
    }

    @Test
    void aNewKeyHas256RandomBits() {
        Set<String> keys = new HashSet<>();
        for (int i = 0; i < 100; i++) {
            String key = ApiKey.generate();
            assertThat(key).matches("sk-apus-[A-Za-z0-9_-]{43}");
            keys.add(key);
        }
        assertThat(keys).hasSize(100);
    }

    /** Known from FIPS 180-2. */
    @Test
    void theHashIsSha256() {
        assertThat(ApiKey.hash("abc")).isEqualTo("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    @Test
    void whatIsKeptDoesNotHoldTheKey() {
        String secret = ApiKey.generate();
        ApiKey key = ApiKey.ofSecret(secret, Principal.of("k", Role.INFERENCE));
        assertThat(key.toString()).doesNotContain(secret, secret.substring("sk-apus-".length()));
        assertThat(SecurityOptions.keys(List.of(secret), List.of()).toString()).doesNotContain(secret);
    }

    @Test
    void theSameKeyTwiceIsRefusedWithoutNamingIt() {
        ApiKey one = ApiKey.ofSecret("sk-the-secret", Principal.of("one", Role.INFERENCE));
        ApiKey two = ApiKey.ofSecret("sk-the-secret", Principal.of("two", Role.ADMIN));
        assertThatThrownBy(() -> new KeyRing(List.of(one, two), true))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("'one'", "'two'")
                .hasMessageNotContaining("sk-the-secret");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "a b", "a\n", "kéy", "a\u0000"})
    void whatNoClientCanSendIsNoKey(String secret) {
        assertThatThrownBy(() -> SecurityOptions.keys(List.of(secret), List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("printable ASCII");
    }

    @Test
    void validityEndsAtItsInstant() {
        Instant end = Instant.parse("2030-01-01T00:00:00Z");
        ApiKey key = new ApiKey(ApiKey.hash("k"), Principal.of("k", Role.INFERENCE), null, end, false);
        assertThat(key.isValid(end.minusMillis(1))).isTrue();
        assertThat(key.isValid(end)).isFalse();
        ApiKey disabled = new ApiKey(key.sha256(), key.principal(), null, null, true);
        assertThat(disabled.isValid(end.minusMillis(1))).isFalse();
    }

    @Test
    void adminIncludesTheOtherRoles() {
        Principal admin = Principal.of("a", Role.ADMIN);
        assertThat(Role.values()).allMatch(admin::has);
        assertThat(Principal.of("i", Role.INFERENCE).has(Role.MONITOR)).isFalse();
        assertThat(Principal.of("i", Role.INFERENCE).has(Role.ADMIN)).isFalse();
        assertThatThrownBy(() -> Role.of("root")).hasMessageContainingAll("'root'", "inference, monitor, admin");
    }
}
