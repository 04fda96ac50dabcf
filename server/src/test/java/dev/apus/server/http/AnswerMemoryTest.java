package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Answers that would fill the heap while they are made are refused: a full one ends the process. */
@Timeout(60)
class AnswerMemoryTest {
    private static final int BUDGET = 1_000_000;
    private static final String LOGPROBS = ",\"max_tokens\":90000,\"logprobs\":20";

    private static ServerFixture fixture() {
        return new ServerFixture(options -> options.maxBodyBytes(20_000).maxBufferedBytes(BUDGET));
    }

    @Test
    void logprobsThatWaitForTheEndAreCounted() throws Exception {
        try (ServerFixture fixture = fixture();
                RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"n\":2" + LOGPROBS + "}"));
            List<ManualEngine.Work> choices = List.of(fixture.engine.next(), fixture.engine.next());
            for (int i = 0; i < 50; i++) {
                choices.forEach(choice -> choice.emit("x".repeat(100), 20));
            }

            assertThat(client.readAnswer()).contains(" 413 ", "answer_too_large", "fewer log-probabilities");
            assertThat(fixture.engine.aborted()).hasSize(2);
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }

    @Test
    void oneThatIsNotAloneMayTryAgain() throws Exception {
        try (ServerFixture fixture = fixture();
                RawClient first = fixture.connect();
                RawClient second = fixture.connect()) {
            String request = RawClient.post("/v1/completions", "{\"prompt\":\"hi\"" + LOGPROBS + "}");
            first.send(request);
            ManualEngine.Work large = fixture.engine.next();
            large.emit("x".repeat(3500), 20);
            ServerFixture.await("it is counted", () -> fixture.server.memoryTaken() > BUDGET * 0.8);
            second.send(request);
            fixture.engine.next().emit("x".repeat(800), 20);

            assertThat(second.readAnswer()).contains(" 503 ", "retry-after: 5");
            assertThat(fixture.server.memoryTaken()).isGreaterThan((long) (BUDGET * 0.8));
        }
    }

    @Test
    void theJsonThatTheyBecomeIsCounted() throws Exception {
        try (ServerFixture fixture = fixture();
                RawClient client = fixture.connect()) {
            client.send(RawClient.post(
                    "/v1/chat/completions",
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":9000,\"logprobs\":true,"
                            + "\"top_logprobs\":20}"));
            ManualEngine.Work work = fixture.engine.next();
            // A quarter of the memory, and as JSON more than all.
            work.emit("x".repeat(1000), 20);
            fixture.engine.finish(work);

            assertThat(client.readAnswer()).contains(" 413 ", "answer_too_large");
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }

    @Test
    void logprobsOfPromptsAreCountedBeforeTheyAreMade() throws Exception {
        try (ServerFixture fixture = fixture()) {
            String prompt = "{\"prompt\":\"" + "x".repeat(2000) + "\",\"max_tokens\":1,";
            for (String parameters : List.of("\"prompt_logprobs\":20}", "\"echo\":true,\"logprobs\":20}")) {
                assertThat(fixture.connectAndAnswer(RawClient.post("/v1/completions", prompt + parameters)))
                        .contains(" 413 ", "fewer log-probabilities");
            }
            assertThat(fixture.engine.live()).isZero();
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }

    @Test
    void aStreamTakesNoMoreThanWhatWaits() throws Exception {
        try (ServerFixture fixture = fixture();
                RawClient client = fixture.connect()) {
            client.send(RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"stream\":true" + LOGPROBS + "}"));
            ManualEngine.Work work = fixture.engine.next();
            for (int i = 0; i < 100; i++) {
                work.emit("x".repeat(99) + (char) ('a' + i % 26), 20);
                client.readUntil("\"finish_reason\":null");
            }
            assertThat(fixture.server.memoryTaken()).isLessThan(BUDGET / 2);
            fixture.engine.finish(work);
            client.readUntil("data: [DONE]");
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }

    @Test
    void aStreamThatNeedsThemAtItsEndIsEndedByAnError() throws Exception {
        try (ServerFixture fixture = fixture();
                RawClient client = fixture.connect()) {
            client.send(RawClient.post(
                    "/v1/responses",
                    "{\"input\":\"hi\",\"stream\":true,\"top_logprobs\":20,"
                            + "\"include\":[\"message.output_text.logprobs\"]}"));
            ManualEngine.Work work = fixture.engine.next();
            work.emit("x".repeat(100), 20);
            client.readUntil("response.output_text.delta");
            for (int i = 0; i < 50; i++) {
                work.emit("x".repeat(100), 20);
            }
            client.readUntil("response.failed");
            assertThat(client.readUntil("\r\n0\r\n")).contains("fewer log-probabilities");
            ServerFixture.await("the memory is back", () -> fixture.server.memoryTaken() == 0);
        }
    }
}
