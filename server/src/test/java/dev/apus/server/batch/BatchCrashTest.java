package dev.apus.server.batch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The server may end at any moment: the folder as it was then leads to the same answers, none of them twice. */
@Timeout(120)
class BatchCrashTest {
    private static final int LINES = 12;

    @TempDir
    private Path temp;

    /** Copies of the folder after each change. */
    private List<Path> snapshots(int lines) throws Exception {
        Path folder = temp.resolve("live");
        List<Path> copies = Collections.synchronizedList(new ArrayList<>());
        Object turn = new Object();
        Consumer<Path> copier = changed -> {
            synchronized (turn) {
                Path copy = temp.resolve("copy-" + copies.size());
                try {
                    BatchFolder.copy(folder, copy);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
                copies.add(copy);
            }
        };
        // One request at a time, so that no copy is made while another change happens.
        BatchOptions options = BatchFolder.options(folder, java.time.Duration.ofHours(1), 1);
        try (Batches batches = Batches.open(options, new EchoWork(), copier)) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(lines));
            BatchFolder.assertComplete(batches, BatchFolder.awaitEnd(batches, batch.id()), lines);
        }
        return copies;
    }

    @Test
    void everyMomentLeadsToTheSameAnswers() throws Exception {
        List<Path> copies = snapshots(LINES);
        assertThat(copies).hasSizeGreaterThan(LINES + 10);
        int goneOn = 0;
        for (Path copy : copies) {
            EchoWork work = new EchoWork();
            try (Batches batches = Batches.open(BatchFolder.options(copy), work)) {
                for (Batch batch : batches.list("acme")) {
                    BatchFolder.assertComplete(batches, BatchFolder.awaitEnd(batches, batch.id()), LINES);
                    goneOn++;
                }
                Set<String> known = new HashSet<>();
                batches.files().list("acme").forEach(file -> known.add(file.id()));
                for (String name : BatchFolder.names(copy.resolve("files"))) {
                    assertThat(known).as("left over: %s", name).contains(name.substring(0, name.indexOf('.')));
                }
                assertThat(BatchFolder.names(copy.resolve("batches"))).allMatch(name -> name.endsWith(".json"));
            }
        }
        assertThat(goneOn).isGreaterThan(LINES);
    }

    @Test
    void whatIsDoneIsNotRunAgain() throws Exception {
        List<Path> copies = snapshots(LINES);
        int before = Integer.MAX_VALUE;
        for (Path copy : copies) {
            int done = 0;
            for (String name : BatchFolder.names(copy.resolve("batches"))) {
                if (!name.endsWith(".json") && !name.endsWith(".tmp")) {
                    done += Files.readAllLines(copy.resolve("batches").resolve(name))
                            .size();
                }
            }
            for (String name : BatchFolder.names(copy.resolve("files"))) {
                if (name.endsWith(".jsonl")
                        && Files.readString(copy.resolve("files").resolve(name)).contains("batch_req_")) {
                    done += Files.readAllLines(copy.resolve("files").resolve(name))
                            .size();
                }
            }
            if (done > 0) {
                EchoWork work = new EchoWork();
                try (Batches batches = Batches.open(BatchFolder.options(copy), work)) {
                    BatchFolder.awaitEnd(
                            batches, batches.list("acme").getFirst().id());
                    assertThat(work.started).hasSize(LINES - done).doesNotHaveDuplicates();
                    before = Math.min(before, work.started.size());
                }
            }
        }
        assertThat(before).isZero();
    }

    /** A machine that loses power may leave the end of what was written, or noise in its place. */
    @Test
    void aTornLineIsCutOff() throws Exception {
        List<Path> copies = snapshots(4);
        Path half = copies.stream()
                .filter(BatchCrashTest::hasThreeAnswers)
                .findFirst()
                .orElseThrow();
        Path output = output(half);
        byte[] whole = Files.readAllBytes(output);
        for (int length = 0; length <= whole.length; length += 29) {
            for (byte[] noise : List.of(new byte[0], new byte[64], "}}\n{\"id\":\n".getBytes(StandardCharsets.UTF_8))) {
                Path copy = temp.resolve("torn-" + length + "-" + noise.length);
                BatchFolder.copy(half, copy);
                Files.write(output(copy), java.util.Arrays.copyOf(whole, length));
                Files.write(output(copy), noise, StandardOpenOption.APPEND);
                try (Batches batches = Batches.open(BatchFolder.options(copy), new EchoWork())) {
                    Batch batch = batches.list("acme").getFirst();
                    BatchFolder.assertComplete(batches, BatchFolder.awaitEnd(batches, batch.id()), 4);
                }
            }
        }
    }

    private static boolean hasThreeAnswers(Path copy) {
        try {
            return Files.readAllLines(output(copy)).size() == 3;
        } catch (IOException e) {
            return false;
        }
    }

    private static Path output(Path copy) throws IOException {
        for (String name : BatchFolder.names(copy.resolve("batches"))) {
            if (name.endsWith(".output")) {
                return copy.resolve("batches").resolve(name);
            }
        }
        throw new IOException("no output in " + copy);
    }

    /** The disk refuses something for a while: nothing is lost, and the batch says what it waits for. */
    @Test
    void aDiskThatFailsHoldsABatchUp() throws Exception {
        Path folder = temp.resolve("full");
        EchoWork work = new EchoWork();
        work.validating = () -> {
            try {
                Files.createDirectories(folder.resolve("batches").resolve(id(folder) + ".errors"));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(10));
            Batch held =
                    BatchFolder.await(batches, batch.id(), now -> !now.errors().isEmpty());
            assertThat(held.status()).isEqualTo(BatchStatus.IN_PROGRESS);
            assertThat(held.errors().getFirst().code()).isEqualTo("disk_error");
            Files.delete(folder.resolve("batches").resolve(batch.id() + ".errors"));
            Batch done = BatchFolder.awaitEnd(batches, batch.id());
            BatchFolder.assertComplete(batches, done, 10);
            assertThat(done.errors()).isEmpty();
        }
    }

    private static String id(Path folder) throws IOException {
        String name = BatchFolder.names(folder.resolve("batches")).getFirst();
        return name.substring(0, name.indexOf('.'));
    }

    @Test
    void aTenantWithoutRoomHoldsItsBatchUp() throws Exception {
        Path folder = temp.resolve("full");
        EchoWork work = new EchoWork();
        work.answers = body -> EchoWork.answer(
                "{\"n\":" + body.replaceAll(".*\"n\":(\\d+).*", "$1") + ",\"text\":\"" + "x".repeat(400_000) + "\"}");
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            StoredFile other = BatchFolder.send(batches, "y".repeat(1 << 20));
            StoredFile another = BatchFolder.send(batches, "y".repeat(1 << 20));
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(8).replace(",\"wrong\":1", ""));
            Batch held =
                    BatchFolder.await(batches, batch.id(), now -> !now.errors().isEmpty());
            assertThat(held.errors().getFirst().code()).isEqualTo("storage_quota_exceeded");
            batches.delete("acme", other.id());
            batches.delete("acme", another.id());
            Batch done = BatchFolder.awaitEnd(batches, batch.id());
            assertThat(done.status()).isEqualTo(BatchStatus.COMPLETED);
            assertThat(done.counts()).isEqualTo(new Batch.Counts(8, 8, 0));
            Batch.Results results = BatchFolder.resultsOf(done);
            assertThat(BatchFolder.results(batches, results.outputFileId())).hasSize(8);
        }
    }
}
