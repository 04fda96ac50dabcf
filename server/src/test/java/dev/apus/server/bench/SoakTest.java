package dev.apus.server.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The whole way from socket to kernels under clients that misbehave, on a model of a few thousand weights. */
class SoakTest {
    private static final Path TINY = Path.of("../models/src/test/resources/golden/gguf-llama/llama-Q4_1.gguf");

    @Test
    @Timeout(90)
    void nothingIsLeftAfterwards() throws InterruptedException {
        try (LanguageModel model = LanguageModel.open(TINY, EngineOptions.defaults());
                HttpServer server = HttpServer.start(
                        model.served(), HttpOptions.builder().port(0).build())) {
            SoakBench.Report report = new SoakBench(
                            model.served().engine(), URI.create("http://127.0.0.1:" + server.port()), 64)
                    .run(Duration.ofSeconds(8));

            assertThat(report.passed()).as(report.text()).isTrue();
            assertThat(report.counts().keySet()).anyMatch(kind -> kind.startsWith("stream, leaves"));
        }
    }
}
