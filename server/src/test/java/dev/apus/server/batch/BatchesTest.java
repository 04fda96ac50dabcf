package dev.apus.server.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.apus.server.batch.Batch.Order;
import dev.apus.server.batch.Batch.Problem;
import dev.apus.server.batch.BatchWork.Load;
import dev.apus.server.batch.BatchWork.Outcome;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The life of batches, with work that echoes. */
@Timeout(60)
class BatchesTest {
    @TempDir
    private Path folder;

    @Test
    void runsEachRequestOnce() throws Exception {
        EchoWork work = new EchoWork();
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(40));
            Batch done = BatchFolder.awaitEnd(batches, batch.id());
            BatchFolder.assertComplete(batches, done, 40);
            assertThat(work.started).hasSize(40).doesNotHaveDuplicates();
            assertThat(done.order().metadata()).containsEntry("a", "b");
            assertThat(done.time(BatchStatus.IN_PROGRESS)).isNotNull();
            assertThat(done.time(BatchStatus.FINALIZING)).isNotNull();
            assertThat(done.time(BatchStatus.CANCELLED)).isNull();
        }
        try (Batches again = Batches.open(BatchFolder.options(folder), work)) {
            BatchFolder.assertComplete(again, again.list("acme").getFirst(), 40);
            assertThat(again.files().list("acme")).hasSize(3);
            assertThat(work.started).hasSize(40);
        }
    }

    @Test
    void tellsWhatIsWrongWithWhichLine() throws Exception {
        String good = BatchFolder.line("a", "{}");
        String file = "\ufeff" + good + "\n" + good + "nonsense\n[1]\n" + BatchFolder.line("b", "[]")
                + BatchFolder.line("c", "{}").replace("POST", "GET")
                + BatchFolder.line("d", "{}").replace("chat/", "")
                + BatchFolder.line("e", "{\"model\":\"other\"}")
                + "{\"custom_id\":\"f\"}\n" + BatchFolder.line("g", "{\"x\":\"" + "y".repeat(70_000) + "\"}")
                + BatchFolder.line("", "{}") + "{\"a\":1}{}\n" + BatchFolder.line("h", "{\"a\":1,\"a\":2}");
        try (Batches batches = Batches.open(BatchFolder.options(folder), new EchoWork())) {
            Batch failed = BatchFolder.awaitEnd(
                    batches, BatchFolder.create(batches, file).id());
            assertThat(failed.status()).isEqualTo(BatchStatus.FAILED);
            assertThat(failed.results()).isNull();
            assertThat(failed.errors())
                    .extracting(Problem::line, Problem::code)
                    .containsExactly(
                            tuple(3, "duplicate_custom_id"),
                            tuple(4, "invalid_json_line"),
                            tuple(5, "invalid_json_line"),
                            tuple(6, "invalid_type"),
                            tuple(7, "invalid_method"),
                            tuple(8, "invalid_url"),
                            tuple(9, "model_not_found"),
                            tuple(10, "missing_required_parameter"),
                            tuple(11, "line_too_long"),
                            tuple(12, "invalid_custom_id"),
                            tuple(13, "invalid_json_line"),
                            tuple(14, "invalid_json_line"));
            Batch empty = BatchFolder.awaitEnd(
                    batches, BatchFolder.create(batches, "\n \n").id());
            assertThat(empty.errors()).extracting(Problem::code).containsExactly("empty_file");
            Batch many = BatchFolder.awaitEnd(
                    batches,
                    BatchFolder.create(batches, BatchFolder.lines(1001)).id());
            assertThat(many.errors()).extracting(Problem::code).containsExactly("too_many_requests");
        }
    }

    private static org.assertj.core.groups.Tuple tuple(Object... values) {
        return org.assertj.core.groups.Tuple.tuple(values);
    }

    @Test
    void aCancelledBatchKeepsWhatIsDone() throws Exception {
        EchoWork work = new EchoWork().holding();
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(10));
            while (work.open.size() < 4) {
                Thread.sleep(2);
            }
            work.open
                    .getFirst()
                    .complete(new Outcome.Answered(200, "{}".getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            BatchFolder.await(batches, batch.id(), now -> now.counts().completed() == 1);
            batches.cancel("acme", batch.id());
            Batch end = BatchFolder.awaitEnd(batches, batch.id());
            assertThat(end.status()).isEqualTo(BatchStatus.CANCELLED);
            assertThat(end.counts()).isEqualTo(new Batch.Counts(10, 1, 9));
            assertThat(work.aborted).hasValue(4);
            Batch.Results results = BatchFolder.resultsOf(end);
            assertThat(BatchFolder.results(batches, results.outputFileId())).hasSize(1);
            assertThat(BatchFolder.results(batches, results.errorFileId()).values())
                    .hasSize(9)
                    .allMatch(line -> line.get("response").isNull()
                            && line.get("error").get("code").asString().equals("batch_cancelled"));
            assertThatThrownBy(() -> batches.cancel("acme", batch.id())).hasMessageContaining("the batch is cancelled");
        }
    }

    @Test
    void aBatchThatIsNotDoneInTimeExpires() throws Exception {
        EchoWork work = new EchoWork().holding();
        BatchOptions options = BatchFolder.options(folder, Duration.ofMillis(300), 4);
        try (Batches batches = Batches.open(options, work)) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(6));
            Batch end = BatchFolder.awaitEnd(batches, batch.id());
            assertThat(end.status()).isEqualTo(BatchStatus.EXPIRED);
            assertThat(end.counts()).isEqualTo(new Batch.Counts(6, 0, 6));
            Batch.Results results = BatchFolder.resultsOf(end);
            assertThat(results.outputFileId()).isNull();
            Map<String, JsonNode> errors = BatchFolder.results(batches, results.errorFileId());
            assertThat(Objects.requireNonNull(errors.get("line-0"))
                            .get("error")
                            .get("code")
                            .asString())
                    .isEqualTo("batch_expired");
        }
    }

    @Test
    void aServerThatStopsFinishesWhatRunsAndGoesOnLater() throws Exception {
        EchoWork work = new EchoWork().holding();
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            BatchFolder.create(batches, BatchFolder.lines(10));
            while (work.open.size() < 4) {
                Thread.sleep(2);
            }
            batches.drain();
            for (var open : work.open) {
                open.complete(new Outcome.Answered(200, "{}".getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            }
            BatchFolder.await(
                    batches,
                    batches.list("acme").getFirst().id(),
                    now -> now.counts().completed() == 4);
            Thread.sleep(100);
            assertThat(work.started).as("nothing is begun any more").hasSize(4);
        }
        EchoWork later = new EchoWork();
        try (Batches batches = Batches.open(BatchFolder.options(folder), later)) {
            Batch end = BatchFolder.awaitEnd(
                    batches, batches.list("acme").getFirst().id());
            assertThat(end.counts().total()).isEqualTo(10);
            assertThat(later.started).hasSize(6).doesNotContainAnyElementsOf(work.started);
        }
    }

    @Test
    void requestsThatAreNotTakenAreTriedAgain() throws Exception {
        EchoWork work = new EchoWork().puttingOff(7);
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            Batch end = BatchFolder.awaitEnd(
                    batches, BatchFolder.create(batches, BatchFolder.lines(10)).id());
            BatchFolder.assertComplete(batches, end, 10);
            assertThat(work.started).hasSize(17);
        }
    }

    @Test
    void othersGoFirst() throws Exception {
        EchoWork work = new EchoWork().holding();
        work.load = new Load(true, 3, 0);
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            BatchFolder.create(batches, BatchFolder.lines(10));
            assertThat(startedAfterAWhile(work))
                    .as("4 places, 3 of which clients have")
                    .isEqualTo(1);
            work.load = new Load(false, 0, 0);
            assertThat(startedAfterAWhile(work)).as("paused").isEqualTo(1);
            work.load = new Load(true, 0, 5);
            assertThat(startedAfterAWhile(work)).as("others wait").isEqualTo(1);
            work.load = new Load(true, 0, 0);
            assertThat(startedAfterAWhile(work)).isEqualTo(4);
        }
    }

    private static int startedAfterAWhile(EchoWork work) throws InterruptedException {
        Thread.sleep(300);
        return work.started.size();
    }

    @Test
    void batchesShareThePlaces() throws Exception {
        EchoWork work = new EchoWork().holding();
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            Batch first = BatchFolder.create(batches, BatchFolder.lines(10));
            assertThat(startedAfterAWhile(work)).isEqualTo(4);
            Batch second = BatchFolder.create(batches, BatchFolder.lines(10));
            work.open.get(0).complete(new Outcome.Later(Duration.ofSeconds(30)));
            work.open.get(1).complete(new Outcome.Later(Duration.ofSeconds(30)));
            assertThat(startedAfterAWhile(work)).isEqualTo(6);
            assertThat(work.started.subList(4, 6))
                    .allMatch(id -> id.contains(second.id().substring(6)))
                    .noneMatch(id -> id.contains(first.id().substring(6)));
        }
    }

    @Test
    void aTenantSeesItsOwnOnly() throws Exception {
        try (Batches batches = Batches.open(BatchFolder.options(folder), new EchoWork())) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(1));
            String file = batch.order().inputFileId();
            assertThatThrownBy(() -> batches.get("other", batch.id())).hasMessageContaining("no batch");
            assertThatThrownBy(() -> batches.cancel("other", batch.id())).hasMessageContaining("no batch");
            assertThatThrownBy(() -> batches.files().get("other", file)).hasMessageContaining("no file");
            assertThatThrownBy(() -> batches.delete("other", file)).hasMessageContaining("no file");
            Batch.Owner other = new Batch.Owner("other", "k", java.util.Set.of());
            assertThatThrownBy(() -> batches.create(other, new Order(file, BatchFolder.ENDPOINT, Map.of())))
                    .hasMessageContaining("no file");
            assertThat(batches.list("other")).isEmpty();
            assertThat(batches.files().list("other")).isEmpty();
            BatchFolder.awaitEnd(batches, batch.id());
        }
    }

    @Test
    void aFileInUseIsNotDeleted() throws Exception {
        EchoWork work = new EchoWork().holding();
        try (Batches batches = Batches.open(BatchFolder.options(folder), work)) {
            Batch batch = BatchFolder.create(batches, BatchFolder.lines(1));
            String file = batch.order().inputFileId();
            assertThatThrownBy(() -> batches.delete("acme", file)).hasMessageContaining("has not ended");
            batches.cancel("acme", batch.id());
            BatchFolder.awaitEnd(batches, batch.id());
            batches.delete("acme", file);
            assertThatThrownBy(() -> batches.files().get("acme", file)).hasMessageContaining("no file");
        }
    }

    @Test
    void aTenantMayStoreSoMuchAndNoMore() throws Exception {
        try (Batches batches = Batches.open(BatchFolder.options(folder), new EchoWork())) {
            String big = "x".repeat(1 << 20);
            List<StoredFile> files = List.of(
                    BatchFolder.send(batches, big), BatchFolder.send(batches, big), BatchFolder.send(batches, big));
            assertThatThrownBy(() -> BatchFolder.send(batches, big)).hasMessageContaining("delete some");
            assertThat(BatchFolder.names(folder.resolve("files"))).hasSize(6);
            batches.delete("acme", files.getFirst().id());
            BatchFolder.send(batches, big);
            assertThatThrownBy(() -> BatchFolder.send(batches, big + "y"))
                    .as("larger than a file may be")
                    .hasMessageContaining("larger than the limit");
        }
    }

    @Test
    void anUploadThatIsBrokenOffLeavesNothing() throws Exception {
        try (Batches batches = Batches.open(BatchFolder.options(folder), new EchoWork())) {
            try (FileStore.Upload upload = batches.files().begin("acme")) {
                upload.write(new byte[100], 0, 100);
                assertThat(BatchFolder.names(folder.resolve("files"))).hasSize(1);
            }
            assertThat(BatchFolder.names(folder.resolve("files"))).isEmpty();
        }
    }

    @Test
    void oneServerAtATimeUsesAFolder() throws Exception {
        BatchOptions options = BatchFolder.options(folder);
        Batches first = Batches.open(options, new EchoWork());
        assertThatThrownBy(() -> Batches.open(options, new EchoWork())).hasMessageContaining("another server");
        first.close();
        Batches.open(options, new EchoWork()).close();
    }

    @Test
    void aDeletedFileIsReadToItsEnd() throws Exception {
        try (Batches batches = Batches.open(BatchFolder.options(folder), new EchoWork())) {
            StoredFile file = BatchFolder.send(batches, "abc");
            try (FileChannel open = batches.files().open(file)) {
                batches.delete("acme", file.id());
                assertThat(open.size()).isEqualTo(3);
            }
        }
    }
}
