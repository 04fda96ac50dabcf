package dev.apus.server.http;

import java.nio.file.Path;

/** A server that works slowly on a batch until it is killed, or its parent has gone; for {@link BatchKillTest}. */
final class BatchServerProgram {
    private BatchServerProgram() {}

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        int lines = Integer.parseInt(arguments[1]);
        EchoScript echo = new EchoScript();
        ScriptedEngine slow = new ScriptedEngine(answer -> {
            Thread.sleep(200);
            echo.play(answer);
        });
        try (BatchFixture batches = new BatchFixture(folder, slow)) {
            String id = batches.start(BatchKillTest.CHAT, BatchKillTest.chats(lines));
            int done = 0;
            while (done < BatchKillTest.BEFORE) {
                Thread.sleep(10);
                done = batches.good(batches.get("/v1/batches/" + id))
                        .at("/request_counts/completed")
                        .asInt();
            }
            System.out.println("id=" + id);
            while (System.in.read() >= 0) {
                // Its parent says nothing.
            }
        }
    }
}
