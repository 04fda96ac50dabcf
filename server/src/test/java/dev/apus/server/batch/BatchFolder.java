package dev.apus.server.batch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.batch.Batch.Order;
import dev.apus.server.batch.Batch.Owner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What tests of batches have in common. */
final class BatchFolder {
    static final Owner OWNER = new Owner("acme", "key", Set.of());
    static final String ENDPOINT = "/v1/chat/completions";
    private static final JsonMapper JSON = new JsonMapper();
    private static final Duration MOST = Duration.ofSeconds(20);

    private BatchFolder() {}

    static BatchOptions options(Path folder) {
        return options(folder, Duration.ofHours(24), 4);
    }

    static BatchOptions options(Path folder, Duration window, int concurrent) {
        return new BatchOptions(
                folder, true, 1 << 20, 1000, 64 << 10, 4 << 20, concurrent, window, Duration.ofMillis(20));
    }

    static String line(String customId, String body) {
        return "{\"custom_id\":\"" + customId + "\",\"method\":\"POST\",\"url\":\"" + ENDPOINT + "\",\"body\":" + body
                + "}\n";
    }

    /** Lines of which every fifth is answered with an error. */
    static String lines(int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(line("line-" + i, "{\"model\":\"stub\",\"n\":" + i + (i % 5 == 4 ? ",\"wrong\":1}" : "}")));
        }
        return text.toString();
    }

    static StoredFile send(Batches batches, String content) {
        try (FileStore.Upload upload = batches.files().begin(OWNER.tenant())) {
            byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
            upload.write(bytes, 0, bytes.length);
            return upload.commit("in.jsonl", StoredFile.INPUT);
        }
    }

    static Batch create(Batches batches, String content) {
        return batches.create(OWNER, new Order(send(batches, content).id(), ENDPOINT, Map.of("a", "b")));
    }

    static Batch awaitEnd(Batches batches, String id) throws InterruptedException {
        return await(batches, id, batch -> batch.status().isEnd());
    }

    static Batch await(Batches batches, String id, java.util.function.Predicate<Batch> what)
            throws InterruptedException {
        long deadline = System.nanoTime() + MOST.toNanos();
        Batch batch = batches.get(OWNER.tenant(), id);
        while (!what.test(batch)) {
            assertThat(System.nanoTime()).as("in time: %s", batch).isLessThan(deadline);
            Thread.sleep(2);
            batch = batches.get(OWNER.tenant(), id);
        }
        return batch;
    }

    /** What a file of results says of each request, by its custom id, in the order of these; none twice. */
    static Map<String, JsonNode> results(Batches batches, @Nullable String fileId) throws IOException {
        Map<String, JsonNode> results = new TreeMap<>();
        if (fileId != null) {
            Path path = batches.files().path(batches.files().get(OWNER.tenant(), fileId));
            String text = Files.readString(path, StandardCharsets.UTF_8);
            assertThat(text).endsWith("\n");
            for (String line : text.lines().toList()) {
                JsonNode node = JSON.readTree(line);
                assertThat(results.put(node.get("custom_id").asString(), node))
                        .as("twice: %s", line)
                        .isNull();
            }
        }
        return results;
    }

    /** Of a batch that must have some. */
    static Batch.Results resultsOf(Batch batch) {
        return Objects.requireNonNull(batch.results());
    }

    /** Holds that a batch of {@link #lines} is done, each request once. */
    static void assertComplete(Batches batches, Batch batch, int count) throws IOException {
        assertThat(batch.status()).isEqualTo(BatchStatus.COMPLETED);
        assertThat(batch.counts()).isEqualTo(new Batch.Counts(count, count - count / 5, count / 5));
        Batch.Results results = resultsOf(batch);
        Map<String, JsonNode> all = results(batches, results.outputFileId());
        Map<String, JsonNode> errors = results(batches, results.errorFileId());
        assertThat(all).hasSize(count - count / 5);
        assertThat(errors).hasSize(count / 5);
        all.putAll(errors);
        assertThat(all).hasSize(count);
        for (int i = 0; i < count; i++) {
            JsonNode response = Objects.requireNonNull(all.get("line-" + i)).get("response");
            assertThat(response.get("status_code").asInt()).isEqualTo(i % 5 == 4 ? 400 : 200);
            assertThat(response.get("body").get("echo").get("n").asInt()).isEqualTo(i);
        }
    }

    static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> all = Files.walk(from)) {
            for (Path path : all.toList()) {
                Path target = to.resolve(from.relativize(path).toString());
                if (Files.isDirectory(path)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(path, target);
                }
            }
        }
    }

    static List<String> names(Path folder) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(path -> path.getFileName().toString())
                    .sorted(Comparator.naturalOrder())
                    .toList();
        }
    }
}
