package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A client that goes takes its request with it, without waiting for the next token. */
@Timeout(30)
class DisconnectTest {
    private final ServerFixture fixture = new ServerFixture();

    @AfterEach
    void close() {
        fixture.close();
    }

    @ParameterizedTest
    @CsvSource({"true,true", "true,false", "false,true", "false,false"})
    void aGoneClientsRequestIsAborted(boolean stream, boolean reset) throws Exception {
        RawClient client = fixture.connect();
        ManualEngine.Work work = fixture.start(client, stream);
        work.emit("a");
        if (stream) {
            assertThat(client.readUntil("\n\n")).contains("\"text\":\"a\"");
        }
        if (reset) {
            client.reset();
        } else {
            client.close();
        }

        ServerFixture.await("the abort", () -> fixture.engine.live() == 0);
        assertThat(fixture.engine.aborted()).containsExactly(work.request.id());
        fixture.server.beginShutdown();
        assertThat(fixture.server.drained().get(10, TimeUnit.SECONDS)).isNull();
    }

    @Test
    void allChoicesOfAGoneClientAreAborted() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.post(
                    "/v1/completions", "{\"prompt\":[\"a\",\"b\"],\"n\":3,\"stream\":true,\"max_tokens\":9}"));
            for (int i = 0; i < 6; i++) {
                fixture.engine.next();
            }
        }

        ServerFixture.await("the aborts", () -> fixture.engine.aborted().size() == 6);
    }

    /** The end of its side is all that a client's going shows until something is written: it counts as going. */
    @Test
    void aClientThatEndsItsSideIsGone() throws Exception {
        try (RawClient client = fixture.connect()) {
            fixture.start(client, true).emit("a");
            client.readUntil("\n\n");
            client.socket.shutdownOutput();

            ServerFixture.await("the abort", () -> fixture.engine.aborted().size() == 1);
            assertThat(client.readAll()).contains("\"code\":\"connection_half_closed\"");
        }
    }

    @Test
    void aClientThatEndsItsSideIsToldBeforeItsStreamHasBegun() throws Exception {
        try (RawClient client = fixture.connect()) {
            fixture.start(client, false);
            client.socket.shutdownOutput();

            assertThat(client.readAll()).contains(" 400 ", "connection: close", "connection_half_closed");
            ServerFixture.await("the abort", () -> fixture.engine.aborted().size() == 1);
        }
        String request = RawClient.post("/v1/completions", "{\"prompt\":\"hi\"}");
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.get("/version") + request);
            client.socket.shutdownOutput();

            assertThat(client.readAll()).containsSubsequence(" 200 ", " 400 ", "connection_half_closed");
        }
        assertThat(fixture.engine.live()).isZero();
    }

    /** As {@code nc -N} asks. */
    @Test
    void whatCostsLittleIsAnsweredToAClientThatEndsItsSide() throws Exception {
        try (RawClient client = fixture.connect()) {
            client.send(RawClient.get("/version")
                    + RawClient.post("/tokenize", "{\"prompt\":\"" + "x".repeat(200_000) + "\"}")
                    + RawClient.get("/health"));
            client.socket.shutdownOutput();

            String answers = client.readAll().replace("120,", "");
            assertThat(answers).containsSubsequence(" 200 ", "\"version\"", " 200 ", "\"count\":200000", "\"ok\"");
        }
        try (RawClient client = fixture.connect()) {
            client.send("GET /version HTTP/1.1\r\nHost: loc");
            client.socket.shutdownOutput();

            assertThat(client.readAll()).doesNotContain(" 200 ");
        }
    }

    @Test
    void aClientMayGoAtAnyByteOfItsRequest() throws Exception {
        String request = RawClient.post("/v1/completions", "{\"prompt\":\"hi\",\"stream\":true}");
        for (int length = 0; length < request.length(); length += 3) {
            try (RawClient client = fixture.connect()) {
                client.send(request.substring(0, length));
                if (length % 2 == 0) {
                    client.reset();
                }
            }
        }

        try (RawClient client = fixture.connect()) {
            assertThat(client.send(RawClient.get("/health")).readAnswer()).contains(" 200 ");
        }
        assertThat(fixture.engine.live()).isZero();
    }

    @Test
    void aClientMayPipelineAndGo() throws Exception {
        try (RawClient client = fixture.connect()) {
            fixture.start(client, true).emit("a");
            client.readUntil("\n\n");
            client.send(
                    RawClient.post("/v1/completions", "{\"prompt\":\"second\"}").repeat(20));
        }

        ServerFixture.await("the abort", () -> fixture.engine.aborted().size() == 1);
        assertThat(fixture.engine.live()).isZero();
    }
}
