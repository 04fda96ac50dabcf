package dev.apus.models.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Fetching from a hub on the loopback interface, honest and hostile. */
@Timeout(20)
class HuggingFaceFetchTest {
    private static final String FILE = "/org/m/resolve/" + FakeHub.COMMIT + "/model.safetensors";
    private static final byte[] WEIGHTS = FakeHub.bytes(300_000);

    @TempDir
    Path home;

    private FakeHub hub;

    @BeforeEach
    void start() throws IOException {
        hub = new FakeHub();
        hub.files.put("config.json", "{}".getBytes(UTF_8));
        hub.files.put("tokenizer.json", "{\"a\":1}".getBytes(UTF_8));
        hub.files.put("model.safetensors", WEIGHTS);
        hub.files.put("pytorch_model.bin", "no".getBytes(UTF_8));
        hub.files.put("onnx/model.onnx", "no".getBytes(UTF_8));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private Path resolve(String model) {
        return new ModelHub(hub.options(home)).resolve(model, ProgressListener.none());
    }

    private Path blob() {
        return home.resolve(".cache/huggingface/hub/models--org--m/blobs/" + FakeHub.sha256(WEIGHTS));
    }

    @Test
    void fetchesWhatIsNeededIntoTheHubsOwnLayoutAndThenAsksNobody() throws IOException {
        Path folder = resolve("org/m");
        Path root = home.resolve(".cache/huggingface/hub/models--org--m");
        assertThat(folder).isEqualTo(root.resolve("snapshots").resolve(FakeHub.COMMIT));
        assertThat(folder.resolve("model.safetensors")).isSymbolicLink().hasBinaryContent(WEIGHTS);
        assertThat(Files.readSymbolicLink(folder.resolve("model.safetensors")).toString())
                .isEqualTo("../../blobs/" + FakeHub.sha256(WEIGHTS));
        assertThat(HuggingFaceCache.pathsBelow(folder))
                .containsExactlyInAnyOrder("config.json", "tokenizer.json", "model.safetensors");
        assertThat(root.resolve("refs/main")).hasContent(FakeHub.COMMIT);
        int before = hub.requests.size();
        assertThat(resolve("org/m")).isEqualTo(folder);
        assertThat(resolve("org/m@" + FakeHub.COMMIT)).isEqualTo(folder);
        assertThat(hub.requests).hasSize(before);
    }

    @Test
    void fetchesTheShardsOfAnIndex() {
        hub.files.remove("model.safetensors");
        hub.files.put("model-1.safetensors", FakeHub.bytes(10));
        hub.files.put("consolidated.safetensors", FakeHub.bytes(11));
        hub.files.put(
                "model.safetensors.index.json", "{\"weight_map\":{\"t\":\"model-1.safetensors\"}}".getBytes(UTF_8));
        assertThat(HuggingFaceCache.pathsBelow(resolve("org/m")))
                .contains("model-1.safetensors")
                .doesNotContain("consolidated.safetensors");
    }

    @Test
    void choosesOneGgufAndListsTheChoices() {
        hub.files.clear();
        for (String quant : new String[] {"Q2_K", "Q4_K_M", "IQ4_NL", "Q8_0"}) {
            hub.files.put("m-" + quant + ".gguf", quant.getBytes(UTF_8));
        }
        assertThat(resolve("org/m").getFileName()).hasToString("m-Q4_K_M.gguf");
        assertThat(resolve("org/m:q8_0").getFileName()).hasToString("m-Q8_0.gguf");
        assertThat(resolve("org/m:m-Q2_K.gguf").getFileName()).hasToString("m-Q2_K.gguf");
        assertThatThrownBy(() -> resolve("org/m:Q5_0"))
                .hasMessageContaining("'m-IQ4_NL', 'm-Q2_K', 'm-Q4_K_M', 'm-Q8_0'");
    }

    @Test
    void goesOnWhereAKilledRunStopped() throws IOException {
        Files.createDirectories(blob().getParent());
        Files.write(Path.of(blob() + ".incomplete"), Arrays.copyOf(WEIGHTS, 100_000));
        assertThat(resolve("org/m").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(hub.requests).contains("GET " + FILE + " bytes=100000-");
    }

    @Test
    void startsAgainIfTheKeptPartIsAnotherFiles() throws IOException {
        Files.createDirectories(blob().getParent());
        Files.write(Path.of(blob() + ".incomplete"), new byte[100_000]);
        assertThat(resolve("org/m").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(hub.requests).contains("GET " + FILE + " bytes=100000-", "GET " + FILE + " null");
    }

    @Test
    void resumesWhenTheConnectionBreaksAndWaitsOutA503() {
        AtomicInteger calls = new AtomicInteger();
        hub.handlers.put(FILE, exchange -> {
            int call = calls.getAndIncrement();
            if (call == 0) {
                exchange.getResponseHeaders().set("Retry-After", "0");
                FakeHub.send(exchange, 503, new byte[0]);
            } else {
                exchange.sendResponseHeaders(200, WEIGHTS.length);
                exchange.getResponseBody().write(WEIGHTS, 0, 200_000);
                exchange.getResponseBody().flush();
                hub.handlers.remove(FILE);
                throw new IOException("cut");
            }
        });
        assertThat(resolve("org/m").resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(hub.requests).anyMatch(r -> r.startsWith("GET " + FILE + " bytes="));
    }

    @Test
    void refusesWrongHashesAndKeepsNothing() throws IOException {
        byte[] wrong = WEIGHTS.clone();
        wrong[7]++;
        hub.handlers.put(FILE, exchange -> FakeHub.send(exchange, 200, wrong));
        assertThatThrownBy(() -> resolve("org/m"))
                .hasMessageContaining("SHA256")
                .hasMessageContaining("not the announced");
        assertThat(FakeHub.filesBelow(home)).noneMatch(f -> f.toString().contains(FakeHub.sha256(WEIGHTS)));
    }

    @Test
    void refusesBodiesLongerThanListed() {
        hub.handlers.put(FILE, exchange -> {
            exchange.sendResponseHeaders(200, 0); // chunked: no length announced
            exchange.getResponseBody().write(WEIGHTS);
            exchange.getResponseBody().write(WEIGHTS);
        });
        assertThatThrownBy(() -> resolve("org/m")).hasMessageContaining("goes on behind the 300000 bytes");
        hub.handlers.put(FILE, exchange -> FakeHub.send(exchange, 200, new byte[400_000]));
        assertThatThrownBy(() -> resolve("org/m"))
                .hasMessageContaining("is sent with 400000 bytes, but listed with 300000");
    }

    @Test
    void breaksOffABodyThatDrips() {
        hub.handlers.put(FILE, exchange -> {
            exchange.sendResponseHeaders(200, WEIGHTS.length);
            try {
                for (int i = 0; i < 100; i++) {
                    exchange.getResponseBody().write(1);
                    exchange.getResponseBody().flush();
                    Thread.sleep(50);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        HubOptions options = hub.options(home)
                .withTimeouts(Duration.ofSeconds(3), Duration.ofMillis(200))
                .withRetries(0, Duration.ZERO);
        assertThatThrownBy(() -> new ModelHub(options).resolve("org/m", ProgressListener.none()))
                .hasMessageContaining("stood still or came slower");
    }

    @Test
    void refusesHostileNamesCommitsAndListings() {
        for (String name : new String[] {"../evil.json", "/etc/evil.json", "a/../../evil.json", "c:evil.json", ""}) {
            hub.files.put(name, new byte[1]);
            assertThatThrownBy(() -> resolve("org/m")).hasMessageContaining("no plain relative path");
            hub.files.remove(name);
        }
        hub.listing = "{\"sha\":\"../../../x\",\"siblings\":[]}";
        assertThatThrownBy(() -> resolve("org/m")).hasMessageContaining("no Git commit");
        hub.listing = "<html>log in</html>";
        assertThatThrownBy(() -> resolve("org/m")).hasMessageContaining("web page");
    }

    @Test
    void saysWhatToDoAboutRefusals() {
        String api = "/api/models/org/m/revision/main";
        hub.handlers.put(api, exchange -> FakeHub.send(exchange, 403, new byte[0]));
        assertThatThrownBy(() -> resolve("org/m"))
                .hasMessageContaining("HF_TOKEN")
                .hasMessageContaining("licence");
        hub.handlers.put(api, exchange -> FakeHub.send(exchange, 404, new byte[0]));
        assertThatThrownBy(() -> resolve("org/m"))
                .isInstanceOf(ModelNotFoundException.class)
                .hasMessageContaining("not found there")
                .hasMessageContaining("the cache " + home);
        assertThat(hub.requests).hasSize(2); // neither is tried again
        hub.handlers.put(api, exchange -> {
            exchange.getResponseHeaders().set("Location", api);
            FakeHub.send(exchange, 302, new byte[0]);
        });
        assertThatThrownBy(() -> resolve("org/m")).hasMessageContaining("redirects more than 10 times");
    }

    @Test
    void keepsTheTokenFromOtherHosts() throws IOException {
        AtomicReference<String> here = new AtomicReference<>("");
        AtomicReference<String> there = new AtomicReference<>("");
        try (FakeHub other = new FakeHub()) {
            hub.handlers.put(FILE, exchange -> {
                here.set(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
                exchange.getResponseHeaders().set("Location", other.endpoint() + "/cdn");
                FakeHub.send(exchange, 302, new byte[0]);
            });
            other.handlers.put("/cdn", exchange -> {
                there.set(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
                FakeHub.send(exchange, 200, WEIGHTS);
            });
            Files.createDirectories(home.resolve(".cache/huggingface"));
            Files.writeString(home.resolve(".cache/huggingface/token"), "hf_secret\n");
            HubOptions options = hub.options(home);
            assertThat(options.toString()).doesNotContain("hf_secret");
            Path folder = new ModelHub(options).resolve("org/m", ProgressListener.none());
            assertThat(folder.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        }
        assertThat(here.get()).isEqualTo("Bearer hf_secret");
        assertThat(there.get()).isEqualTo("null");
    }

    @Test
    void refusesToFillTheDisk() {
        ModelHub full = new ModelHub(hub.options(home), new ProcessCommandRunner(), folder -> 1000);
        assertThatThrownBy(() -> full.resolve("org/m", ProgressListener.none()))
                .hasMessageContaining("300000 bytes")
                .hasMessageContaining("1000 bytes are free");
    }

    @Test
    void twoCallersFetchOnce() throws Exception {
        try (var pool = Executors.newFixedThreadPool(2)) {
            var first = pool.submit(() -> resolve("org/m"));
            var second = pool.submit(() -> resolve("org/m"));
            assertThat(first.get()).isEqualTo(second.get());
        }
        assertThat(hub.requests.stream().filter(r -> r.startsWith("GET " + FILE)))
                .hasSize(1);
    }

    @Test
    void fetchesFromModelScope() {
        HubOptions options = hub.options(home).withHub(HubKind.MODELSCOPE);
        Path folder = new ModelHub(options).resolve("org/m", ProgressListener.none());
        assertThat(folder).isEqualTo(home.resolve(".cache/modelscope/hub/models/org/m"));
        assertThat(folder.resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        int before = hub.requests.size();
        new ModelHub(options).resolve("org/m", ProgressListener.none());
        assertThat(hub.requests).hasSize(before);
    }

    @Test
    void offlineAsksNobody() {
        assertThatThrownBy(() ->
                        new ModelHub(hub.options(home).withOffline(true)).resolve("org/m", ProgressListener.none()))
                .isInstanceOf(ModelNotFoundException.class)
                .hasMessageContaining("offline");
        assertThat(hub.requests).isEmpty();
    }
}
