package dev.apus.loadtest.faults;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.HexFormat;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** The file of {@code apus serve --api-keys-file}, in which keys come and go; other keys in it stay. */
public final class KeysFile {
    private static final String TENANT = "loadtest";
    private static final int KEY_BYTES = 32;

    private final Path file;
    private final SecureRandom random = new SecureRandom();

    public KeysFile(Path file) {
        this.file = file;
    }

    /**
     * A key in the file.
     *
     * @param name by which it is taken out again
     * @param secret what clients send
     */
    public record Key(String name, String secret) {}

    /** Adds a new key that may use models and read metrics. */
    public Key add() throws IOException {
        byte[] bytes = new byte[KEY_BYTES];
        random.nextBytes(bytes);
        String secret = "sk-apus-" + Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
        String name = TENANT + "-" + HexFormat.of().formatHex(bytes, 0, 4);
        ObjectNode root = read();
        ArrayNode keys = root.withArrayProperty("keys");
        ObjectNode key = keys.addObject().put("name", name).put("sha256", sha256(secret));
        key.put("tenant", TENANT).putArray("roles").add("inference").add("monitor");
        write(root);
        return new Key(name, secret);
    }

    /** Takes a key out. */
    public void remove(Key key) throws IOException {
        ObjectNode root = read();
        ArrayNode kept = root.arrayNode();
        for (JsonNode one : root.withArrayProperty("keys")) {
            if (!one.path("name").asString("").equals(key.name)) {
                kept.add(one);
            }
        }
        root.set("keys", kept);
        write(root);
    }

    private ObjectNode read() throws IOException {
        if (!Files.exists(file)) {
            return new JsonMapper().createObjectNode();
        }
        if (new YAMLMapper().readTree(file.toFile()) instanceof ObjectNode root) {
            return root;
        }
        throw new IOException(file + " is no file of API keys: it must be a map with 'keys'");
    }

    /** JSON, which is YAML as well; whole at any time. */
    private void write(ObjectNode root) throws IOException {
        replace(file, root.toPrettyString());
    }

    /** Puts a text, readable by its owner alone, in a file's place in one step. */
    static void replace(Path file, String text) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        Path part = Files.createTempFile(folder, file.getFileName().toString(), ".part");
        Files.writeString(part, text);
        try {
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static String sha256(String secret) {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(secret.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(hash);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
