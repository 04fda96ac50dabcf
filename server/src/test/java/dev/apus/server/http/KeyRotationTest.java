package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.server.auth.ApiKey;
import dev.apus.server.auth.KeysFile;
import dev.apus.server.auth.KeysText;
import dev.apus.server.auth.Role;
import dev.apus.server.auth.SecurityOptions;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Keys change while clients ask. */
@Timeout(60)
class KeyRotationTest {
    private static final int CLIENTS = 4;
    private static final int ROUNDS = 8;
    private static final String BODY = "{\"prompt\":\"hi\",\"max_tokens\":4}";

    @TempDir
    private Path folder;

    private Path file() {
        return folder.resolve("keys.yaml");
    }

    private void create(String name, String secret) throws IOException {
        KeysText.update(
                file(),
                keys -> keys.with(new KeysFile.Entry(
                        name, ApiKey.hash(secret), "t", Set.of(Role.INFERENCE), Set.of(), null, null, false)));
    }

    private SecurityOptions security() {
        return new SecurityOptions(List.of()).withKeysFile(file()).withKeysReload(Duration.ofMillis(5));
    }

    @Test
    void noRequestWithAValidKeyIsRefusedWhileKeysAreRotated() throws Exception {
        create("key-0", "secret-0");
        AtomicReference<String> current = new AtomicReference<>("secret-0");
        AtomicBoolean done = new AtomicBoolean();
        List<LongAdder> answered =
                Stream.generate(LongAdder::new).limit(CLIENTS).toList();
        try (ApiServer server =
                        new ApiServer(new CharTokenizer(), new StubEngine(), options -> options.security(security()));
                ExecutorService threads = Executors.newFixedThreadPool(CLIENTS)) {
            List<Future<List<String>>> clients = new ArrayList<>();
            for (LongAdder count : answered) {
                clients.add(threads.submit(() -> askUntil(done, server, current, count)));
            }
            for (int round = 1; round <= ROUNDS; round++) {
                String old = "key-" + (round - 1);
                String oldSecret = current.get();
                create("key-" + round, "secret-" + round);
                awaitStatus(server, "secret-" + round, 200);
                current.set("secret-" + round);
                List<Long> before = answered.stream().map(LongAdder::sum).toList();
                // The first may have been asked with the old key, which the second was not: so each client has to have
                // both.
                ServerFixture.await(
                        "two answers to each",
                        () -> IntStream.range(0, CLIENTS)
                                .allMatch(i -> answered.get(i).sum() >= before.get(i) + 2));
                KeysText.update(file(), keys -> keys.revoked(old));
                awaitStatus(server, oldSecret, 401);
            }
            done.set(true);
            for (Future<List<String>> client : clients) {
                assertThat(client.get()).as("refusals").isEmpty();
            }
        }
        assertThat(answered).allMatch(count -> count.sum() >= 2 * ROUNDS);
    }

    private static List<String> askUntil(
            AtomicBoolean done, ApiServer server, AtomicReference<String> key, LongAdder answered) throws Exception {
        List<String> refusals = new ArrayList<>();
        while (!done.get()) {
            HttpResponse<String> response = ask(server, key.get());
            if (response.statusCode() != 200) {
                refusals.add(response.body());
            }
            answered.increment();
        }
        return refusals;
    }

    private static HttpResponse<String> ask(ApiServer server, String key) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(server.request("/v1/completions", BODY), (name, value) -> true)
                .header("Authorization", "Bearer " + key)
                .build();
        return server.client().send(request, BodyHandlers.ofString());
    }

    private static void awaitStatus(ApiServer server, String key, int status) throws Exception {
        while (ask(server, key).statusCode() != status) {
            Thread.sleep(2);
        }
    }

    /** What has begun ends as it would have; the next request is refused. */
    @Test
    void aStreamThatRunsOutlivesItsKey() throws Exception {
        create("key", "secret");
        try (ServerFixture fixture = new ServerFixture(options -> options.security(security()));
                RawClient client = fixture.connect()) {
            client.send(RawClient.post(
                    "/v1/completions",
                    "{\"prompt\":\"hi\",\"max_tokens\":9000,\"stream\":true}",
                    "Authorization: Bearer secret"));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("a");
            assertThat(client.readUntil("\n\n")).startsWith("HTTP/1.1 200 ");
            KeysText.update(file(), keys -> keys.revoked("key"));
            String ask = RawClient.get("/v1/models", "Authorization: Bearer secret");
            ServerFixture.await("a refusal", () -> fixture.connectAndAnswer(ask).startsWith("HTTP/1.1 401 "));
            work.emit("b");
            fixture.engine.finish(work);
            assertThat(client.readUntil("0\r\n\r\n")).contains("\"text\":\"b\"", "[DONE]");
            assertThat(client.send(ask).readAnswer()).startsWith("HTTP/1.1 401 ");
        }
    }
}
