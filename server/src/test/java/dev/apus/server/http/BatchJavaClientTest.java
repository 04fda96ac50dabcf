package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.HttpResponse;
import com.openai.errors.NotFoundException;
import com.openai.models.batches.Batch;
import com.openai.models.batches.BatchCreateParams;
import com.openai.models.files.FileCreateParams;
import com.openai.models.files.FileObject;
import com.openai.models.files.FilePurpose;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The official Java client's side of files and batches; it checks every answer against its own types. */
@Timeout(60)
class BatchJavaClientTest {
    @TempDir
    private Path folder;

    @Test
    void runsABatch() throws Exception {
        Path input = folder.resolve("requests.jsonl");
        Files.writeString(input, BatchFixture.chat(0, "hello") + BatchFixture.chat(1, "world"));
        try (BatchFixture batches = new BatchFixture(folder.resolve("kept"), new ScriptedEngine(new EchoScript()))) {
            OpenAIClient client = OpenAIOkHttpClient.builder()
                    .baseUrl(batches.server.url() + "/v1")
                    .apiKey("none")
                    .maxRetries(0)
                    .timeout(Duration.ofSeconds(20))
                    .responseValidation(true)
                    .build();
            FileObject file = client.files()
                    .create(FileCreateParams.builder()
                            .file(input)
                            .purpose(FilePurpose.BATCH)
                            .build());
            assertThat(file.filename()).isEqualTo("requests.jsonl");
            assertThat(file.bytes()).isEqualTo(Files.size(input));
            Batch batch = client.batches()
                    .create(BatchCreateParams.builder()
                            .inputFileId(file.id())
                            .endpoint(BatchCreateParams.Endpoint.V1_CHAT_COMPLETIONS)
                            .completionWindow(BatchCreateParams.CompletionWindow._24H)
                            .metadata(BatchCreateParams.Metadata.builder()
                                    .putAdditionalProperty("for", JsonValue.from("a test"))
                                    .build())
                            .build());
            while (!batch.status().equals(Batch.Status.COMPLETED)) {
                Thread.sleep(5);
                batch = client.batches().retrieve(batch.id());
            }
            assertThat(batch.requestCounts().orElseThrow().completed()).isEqualTo(2);
            try (HttpResponse content =
                    client.files().content(batch.outputFileId().orElseThrow())) {
                String text = new String(content.body().readAllBytes(), StandardCharsets.UTF_8);
                assertThat(text.lines()).hasSize(2);
                assertThat(text).contains("\"content\":\"hello\"", "\"content\":\"world\"");
            }
            assertThat(client.batches().list().data()).hasSize(1);
            assertThat(client.files().list().autoPager().stream()).hasSize(2);
            assertThat(client.files().delete(file.id()).deleted()).isTrue();
            assertThatThrownBy(() -> client.files().retrieve(file.id())).isInstanceOf(NotFoundException.class);
            client.close();
        }
    }
}
