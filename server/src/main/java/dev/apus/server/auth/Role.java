package dev.apus.server.auth;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** What a key may do. */
public enum Role {
    /** Asks the models: generation, embeddings, tokens, files. */
    INFERENCE,
    /** Reads what the server tells of all tenants: metrics and load. */
    MONITOR,
    /** Changes the server for everybody: drain, sleep, caches, the log. Includes the other roles. */
    ADMIN;

    /** The name in files and messages. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** @throws IllegalArgumentException naming the roles that there are */
    public static Role of(String word) {
        return Arrays.stream(values())
                .filter(role -> role.word().equals(word))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("the role is '" + word + "', must be one of "
                        + String.join(
                                ", ", List.of(values()).stream().map(Role::word).toList())));
    }
}
