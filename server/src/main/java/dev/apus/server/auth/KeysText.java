package dev.apus.server.auth;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** The text of a {@link KeysFile}: YAML, or JSON, which is YAML too; written as JSON where the file is called so. */
public final class KeysText {
    private static final Set<String> TOP = Set.of("keys", "tenants");
    private static final Set<String> KEY =
            Set.of("name", "sha256", "tenant", "roles", "models", "created", "expires", "disabled");
    private static final Set<String> TENANT =
            Set.of("weight", "kv_share", "requests_per_minute", "tokens_per_minute", "max_concurrent");
    /** Some thousand keys; what the parser makes of one endless word takes time in the square of its length. */
    private static final long MOST_BYTES = 1 << 20;

    private KeysText() {}

    /**
     * Reads a file.
     *
     * @throws IllegalArgumentException naming the file and what is wrong with it
     */
    public static KeysFile read(Path file) {
        try {
            return parse(bytes(file));
        } catch (NoSuchFileException e) {
            throw new IllegalArgumentException(
                    file + ": there is no such file; 'apus keys create " + file + "' makes one", e);
        } catch (IOException e) {
            throw new IllegalArgumentException(file + " cannot be read: " + e, e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
    }

    static byte[] bytes(Path file) throws IOException {
        long size = Files.size(file);
        if (size > MOST_BYTES) {
            throw new IOException("it has " + size + " bytes, may have at most " + MOST_BYTES);
        }
        return Files.readAllBytes(file);
    }

    /** @throws IllegalArgumentException saying where it is wrong */
    static KeysFile parse(byte[] bytes) {
        JsonNode root;
        try {
            root = YAMLMapper.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build()
                    .readTree(new String(bytes, StandardCharsets.UTF_8));
        } catch (StackOverflowError e) {
            throw new IllegalArgumentException("its lists and maps are within one another too deep", e);
        } catch (JacksonException e) {
            // Only the place: the message and the cause would show the text, and somebody may have put a key there.
            TokenStreamLocation at = e.getLocation();
            throw new IllegalArgumentException(
                    "this is no valid YAML or JSON" + (at == null ? "" : ", near line " + at.getLineNr()));
        }
        if (root.isMissingNode() || root.isNull()) {
            throw noKeys("it is empty");
        }
        checkNames("the file", root, TOP);
        List<KeysFile.Entry> entries = new ArrayList<>();
        JsonNode keys = root.path("keys");
        if (!keys.isMissingNode() && !keys.isNull() && !keys.isArray()) {
            throw new IllegalArgumentException("'keys' must be a list");
        }
        for (JsonNode key : keys) {
            String what = "keys[" + entries.size() + "]";
            entries.add(in(what, () -> entry(what, key)));
        }
        Map<String, Terms> tenants = new TreeMap<>();
        JsonNode terms = root.path("tenants");
        if (!terms.isMissingNode() && !terms.isNull()) {
            if (!terms.isObject()) {
                throw new IllegalArgumentException("'tenants' must map names to their terms");
            }
            terms.forEachEntry((name, node) ->
                    tenants.put(name, in("tenants." + name, () -> terms("tenants." + name, node))));
        }
        KeysFile read = new KeysFile(entries, tenants);
        if (!keys.isArray()) {
            throw noKeys("'keys' is missing");
        }
        return read;
    }

    /** A file may have been cut short, or not be written yet: that nobody has a key must be said. */
    private static IllegalArgumentException noKeys(String what) {
        return new IllegalArgumentException(what + "; a file without keys says 'keys: []'");
    }

    private interface Parse<T> {
        T get();
    }

    private static <T> T in(String what, Parse<T> parse) {
        try {
            return parse.get();
        } catch (IllegalArgumentException e) {
            String message = String.valueOf(e.getMessage());
            throw new IllegalArgumentException(message.startsWith(what) ? message : what + ": " + message, e);
        }
    }

    private static KeysFile.Entry entry(String what, JsonNode node) {
        checkNames(what, node, KEY);
        String name = required(node, "name");
        String tenant = text(node, "tenant");
        Set<Role> roles = new TreeSet<>();
        list(node, "roles").forEach(word -> roles.add(Role.of(word)));
        return new KeysFile.Entry(
                name,
                required(node, "sha256"),
                tenant == null ? name : tenant,
                node.has("roles") ? roles : Set.of(Role.INFERENCE),
                Set.copyOf(list(node, "models")),
                instant(node, "created"),
                instant(node, "expires"),
                bool(node, "disabled"));
    }

    private static Terms terms(String what, JsonNode node) {
        checkNames(what, node, TENANT);
        return new Terms(
                number(node, "weight", Terms.USUAL.weight()),
                number(node, "kv_share", Terms.USUAL.kvShare()),
                whole(node, "requests_per_minute"),
                whole(node, "tokens_per_minute"),
                Math.toIntExact(Math.min(Integer.MAX_VALUE, whole(node, "max_concurrent"))));
    }

    private static void checkNames(String what, JsonNode node, Set<String> known) {
        if (!node.isObject()) {
            throw new IllegalArgumentException(what + " must hold names and values out of " + new TreeSet<>(known));
        }
        for (String name : node.propertyNames()) {
            if (!known.contains(name)) {
                throw new IllegalArgumentException(what + ": unknown '" + name + "'; known are " + new TreeSet<>(known)
                        + (name.equals("key") ? ": a key is told by its hash only" : ""));
            }
        }
    }

    private static @Nullable String text(JsonNode node, String name) {
        JsonNode value = node.path(name);
        if (value.isMissingNode() || value.isNull()) {
            return null;
        }
        if (!value.isValueNode()) {
            throw new IllegalArgumentException("'" + name + "' must be a text");
        }
        return value.asString();
    }

    private static String required(JsonNode node, String name) {
        String value = text(node, name);
        if (value == null) {
            throw new IllegalArgumentException("'" + name + "' is missing");
        }
        return value;
    }

    private static List<String> list(JsonNode node, String name) {
        JsonNode value = node.path(name);
        List<String> texts = new ArrayList<>();
        if (value.isMissingNode()) {
            return texts;
        }
        // Null would mean all where a list was emptied by mistake.
        if (!value.isArray() || value.isEmpty()) {
            throw new IllegalArgumentException("'" + name + "' must be a list of names, or not be there");
        }
        for (JsonNode one : value) {
            if (!one.isValueNode() || one.isNull() || one.asString().isBlank()) {
                throw new IllegalArgumentException("'" + name + "' must be a list of names");
            }
            texts.add(one.asString());
        }
        return texts;
    }

    /** An instant, or a day, which stands for its beginning in UTC. @throws IllegalArgumentException if it is neither */
    public static Instant instant(String name, String value) {
        try {
            return value.length() == "2027-01-31".length()
                    ? LocalDate.parse(value).atStartOfDay(ZoneOffset.UTC).toInstant()
                    : Instant.parse(value);
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException(
                    "'" + name + "' is '" + value + "', must be as 2027-01-31 or 2027-01-31T12:00:00Z", e);
        }
    }

    private static @Nullable Instant instant(JsonNode node, String name) {
        String value = text(node, name);
        return value == null ? null : instant(name, value);
    }

    private static boolean bool(JsonNode node, String name) {
        JsonNode value = node.path(name);
        if (value.isMissingNode()) {
            return false;
        }
        if (!value.isBoolean()) {
            throw new IllegalArgumentException("'" + name + "' must be true or false");
        }
        return value.booleanValue();
    }

    private static double number(JsonNode node, String name, double otherwise) {
        JsonNode value = node.path(name);
        if (value.isMissingNode()) {
            return otherwise;
        }
        if (!value.isNumber()) {
            throw new IllegalArgumentException("'" + name + "' must be a number");
        }
        return value.doubleValue();
    }

    private static long whole(JsonNode node, String name) {
        JsonNode value = node.path(name);
        if (value.isMissingNode()) {
            return 0;
        }
        if (!value.isIntegralNumber() || !value.canConvertToLong()) {
            throw new IllegalArgumentException("'" + name + "' must be a whole number");
        }
        return value.longValue();
    }

    /**
     * Changes a file, or makes it: readable by its owner alone, whole at any time, and one change after another. Comments are lost.
     *
     * @throws IllegalArgumentException if the file is wrong or the change cannot be; it stays as it was then
     * @throws IOException if it cannot be written
     */
    public static KeysFile update(Path given, UnaryOperator<KeysFile> change) throws IOException {
        // A link stays one: what it leads to is replaced.
        Path file = Files.exists(given) ? given.toRealPath() : given.toAbsolutePath();
        Path lock = file.resolveSibling("." + file.getFileName() + ".lock");
        try (FileChannel channel =
                FileChannel.open(lock, Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), ownersOnly(file))) {
            channel.lock();
            KeysFile changed = change.apply(Files.exists(file) && Files.size(file) > 0 ? read(file) : KeysFile.EMPTY);
            Path temporary = Files.createTempFile(file.getParent(), "." + file.getFileName(), ".new", ownersOnly(file));
            try {
                Files.writeString(temporary, text(changed, file.toString().endsWith(".json")));
                Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(temporary);
            }
            return changed;
        }
    }

    private static FileAttribute<?>[] ownersOnly(Path file) throws IOException {
        return file.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
                }
                : new FileAttribute<?>[0];
    }

    static String text(KeysFile file, boolean json) {
        Map<String, Object> root = new LinkedHashMap<>();
        root.put("keys", file.entries().stream().map(KeysText::plain).toList());
        if (!file.tenants().isEmpty()) {
            Map<String, Object> tenants = new TreeMap<>();
            file.tenants().forEach((name, terms) -> tenants.put(name, plain(terms)));
            root.put("tenants", tenants);
        }
        return json
                ? new JsonMapper().writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n"
                : new YAMLMapper().writeValueAsString(root);
    }

    private static Map<String, Object> plain(KeysFile.Entry entry) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", entry.name());
        map.put("sha256", entry.sha256());
        map.put("tenant", entry.tenant());
        map.put("roles", entry.roles().stream().sorted().map(Role::word).toList());
        if (!entry.models().isEmpty()) {
            map.put("models", entry.models().stream().sorted().toList());
        }
        if (entry.created() != null) {
            map.put("created", entry.created().toString());
        }
        if (entry.expires() != null) {
            map.put("expires", entry.expires().toString());
        }
        if (entry.disabled()) {
            map.put("disabled", true);
        }
        return map;
    }

    private static Map<String, Object> plain(Terms terms) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("weight", terms.weight());
        map.put("kv_share", terms.kvShare());
        map.put("requests_per_minute", terms.requestsPerMinute());
        map.put("tokens_per_minute", terms.tokensPerMinute());
        map.put("max_concurrent", terms.maxConcurrent());
        return map;
    }
}
