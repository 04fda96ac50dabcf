package dev.apus.server.bench;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.random.RandomGenerator;

/**
 * One request of a soak's client and what may come back.
 *
 * @param kind for the report
 * @param request bytes to send
 * @param allowed statuses that are right
 * @param mustContain what a 200 answer must hold somewhere
 * @param leavesAfterBytes bytes of the answer after which the client goes away, or -1 to read it all
 */
record Exchange(String kind, byte[] request, Set<Integer> allowed, String mustContain, int leavesAfterBytes) {
    private static final Set<Integer> GOOD = Set.of(200, 429);
    private static final Set<Integer> BAD = Set.of(400, 404, 413, 422);
    private static final String CHAT = "/v1/chat/completions";
    private static final String COMPLETIONS = "/v1/completions";

    static Exchange random(RandomGenerator random) {
        int tokens = 1 + random.nextInt(24);
        String text = "tell me about number " + random.nextInt(50) + " ".repeat(random.nextInt(3));
        return switch (random.nextInt(16)) {
            case 0, 1, 2 -> streamed("stream", text, tokens, -1);
            case 3, 4, 5 -> streamed("stream, leaves", text, 200, 200 + random.nextInt(4000));
            case 6, 7 -> good("chat", CHAT, chat(text, tokens, ""), "\"usage\"");
            case 8 -> good("completion n=3", COMPLETIONS, completion(text, tokens, ",\"n\":3"), "\"usage\"");
            case 9 -> good("stop string", CHAT, chat(text, 40, ",\"stop\":[\"e\",\"the\"]"), "\"usage\"");
            case 10 ->
                good("logprobs", COMPLETIONS, completion(text, tokens, ",\"logprobs\":3,\"echo\":true"), "\"usage\"");
            case 11 -> bad("malformed JSON", CHAT, chat(text, tokens, "").substring(0, 20 + random.nextInt(20)));
            case 12 -> bad("wrong type", CHAT, chat(text, tokens, ",\"temperature\":\"hot\""));
            case 13 -> bad("too long", COMPLETIONS, completion("word ".repeat(60_000), tokens, ""));
            case 14 ->
                bad(
                        "unknown model",
                        CHAT,
                        "{\"model\":\"no-such-model\"," + chat(text, tokens, "").substring(1));
            default ->
                new Exchange(
                        "leaves in the request",
                        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{\"prompt\":"
                                .getBytes(StandardCharsets.US_ASCII),
                        Set.of(),
                        "",
                        0);
        };
    }

    private static Exchange streamed(String kind, String text, int tokens, int leavesAfter) {
        byte[] request = post(CHAT, chat(text, tokens, ",\"stream\":true"));
        return new Exchange(kind, request, GOOD, "[DONE]", leavesAfter);
    }

    private static Exchange good(String kind, String path, String body, String mustContain) {
        return new Exchange(kind, post(path, body), GOOD, mustContain, -1);
    }

    private static Exchange bad(String kind, String path, String body) {
        return new Exchange(kind, post(path, body), BAD, "", -1);
    }

    private static String chat(String text, int tokens, String more) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}],\"max_tokens\":" + tokens + more + "}";
    }

    private static String completion(String text, int tokens, String more) {
        return "{\"prompt\":\"" + text + "\",\"max_tokens\":" + tokens + more + "}";
    }

    private static byte[] post(String path, String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        String head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Connection: close\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        byte[] request = new byte[head.length() + bytes.length];
        System.arraycopy(head.getBytes(StandardCharsets.US_ASCII), 0, request, 0, head.length());
        System.arraycopy(bytes, 0, request, head.length(), bytes.length);
        return request;
    }
}
