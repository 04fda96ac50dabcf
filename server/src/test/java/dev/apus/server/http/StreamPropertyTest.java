package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineEvent.FinishReason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Whatever the text, wherever tokens split its characters and its stop strings, and however tokens come together in events: the stream's
 * pieces join to the whole answer's text, and that is the text up to the first stop string.
 */
class StreamPropertyTest {
    /** Of one to four bytes, with the characters that JSON escapes and ones that combine. */
    private static final String[] CHARACTERS = {
        "a",
        "b",
        "c",
        " ",
        "\n",
        "\"",
        "\\",
        "\u0000",
        "\u007f",
        "ß",
        "\u0301",
        "你",
        "\u2028",
        "\ufeff",
        "😀",
        "👩\u200d🚀"
    };

    private static final int PAUSE_NANOS = 50_000;

    private final JsonMapper json = new JsonMapper();

    /**
     * @param text what the model says
     * @param cuts lengths of its tokens in bytes, over again
     * @param groups tokens of an event, over again
     * @param stops stop strings, most of them parts of the text
     */
    record Answer(String text, List<Integer> cuts, List<Integer> groups, List<String> stops) {}

    @Property(tries = 60)
    void aStreamJoinsToTheWholeAnswer(@ForAll("answers") Answer answer) throws Exception {
        List<byte[]> pieces = pieces(answer);
        int[] ids = new int[pieces.size()];
        Arrays.setAll(ids, i -> BytesTokenizer.PIECES + i);
        String expected = untilFirstStop(answer);
        try (ApiServer server = new ApiServer(new BytesTokenizer(pieces), playing(ids, answer))) {
            assertSame(
                    server, "/v1/chat/completions", chatBody(answer), expected, "/message/content", "/delta/content");
            assertSame(server, "/v1/completions", completionBody(answer), expected, "/text", "/text");
            assertSameMessage(server, messagesBody(answer), expected);
            assertSameResponse(server, responsesBody(answer), expected);
        }
    }

    /** Thoughts before the text, which no stop string ends: they join apart from it; with echo and log-probabilities all lists join. */
    @Property(tries = 40)
    void thoughtsAndEchoAndLogprobsJoinToo(@ForAll("answers") Answer said, @ForAll boolean thinks) throws Exception {
        String begin = thinks ? "<think> why </think>\n" : "";
        Answer answer = new Answer(begin + said.text, said.cuts, said.groups, List.of());
        List<byte[]> pieces = pieces(answer);
        int[] ids = new int[pieces.size()];
        Arrays.setAll(ids, i -> BytesTokenizer.PIECES + i);
        try (ApiServer server = new ApiServer(
                new BytesTokenizer(pieces),
                playing(ids, answer),
                options -> options.api(new ApiOptions("qwen3", false)))) {
            String chat = chatBody(answer);
            String content = thinks ? said.text.stripLeading() : said.text;
            String thought = thinks ? "why" : "";
            assertThat(server.ask("/v1/chat/completions", chat + "}")
                            .at("/choices/0/message/reasoning")
                            .asString(""))
                    .isEqualTo(thought);
            List<JsonNode> chunks = server.chunks("/v1/chat/completions", chat + ",\"stream\":true}");
            assertThat(joined(chunks, "/delta/content")).isEqualTo(content);
            assertThat(joined(chunks, "/delta/reasoning")).isEqualTo(thought);

            String text = completionBody(answer) + ",\"echo\":true,\"logprobs\":1";
            JsonNode whole = server.ask("/v1/completions", text + "}").at("/choices/0");
            List<JsonNode> parts = server.chunks("/v1/completions", text + ",\"stream\":true}");
            assertThat(joined(parts, "/text"))
                    .isEqualTo(whole.get("text").asString())
                    .isEqualTo("a" + answer.text);
            for (String list : List.of("tokens", "token_logprobs", "text_offset", "top_logprobs")) {
                List<JsonNode> streamed = new ArrayList<>();
                parts.forEach(part -> part.at("/choices/0/logprobs/" + list).forEach(streamed::add));
                List<JsonNode> told = new ArrayList<>();
                whole.at("/logprobs/" + list).forEach(told::add);
                assertThat(streamed).as(list).isEqualTo(told);
            }
        }
    }

    private static String joined(List<JsonNode> chunks, String field) {
        return chunks.stream()
                .map(chunk -> chunk.at("/choices/0" + field).asString(""))
                .collect(Collectors.joining());
    }

    private static ScriptedEngine playing(int[] ids, Answer answer) {
        return new ScriptedEngine(playing -> {
            playing.promptLogprobs();
            for (int at = 0, event = 0; at < ids.length; event++) {
                int end = Math.min(ids.length, at + answer.groups.get(event % answer.groups.size()));
                playing.tokens(Arrays.copyOfRange(ids, at, end));
                at = end;
                // Lets the front end send what there is, now and then, so that chunks begin anywhere.
                LockSupport.parkNanos(PAUSE_NANOS);
            }
            playing.finish(FinishReason.LENGTH, -1);
        });
    }

    private static void assertSame(
            ApiServer server, String path, String body, String expected, String wholeText, String chunkText)
            throws Exception {
        JsonNode whole = server.ask(path, body + "}");
        List<JsonNode> chunks = server.chunks(path, body + ",\"stream\":true}");
        String streamed = chunks.stream()
                .map(chunk -> chunk.at("/choices/0" + chunkText).asString())
                .collect(Collectors.joining());

        assertThat(whole.at("/choices/0" + wholeText).asString()).isEqualTo(expected);
        assertThat(streamed).isEqualTo(expected).doesNotContain("\ufffd");
        assertThat(chunks.getLast().at("/choices/0/finish_reason")).isEqualTo(whole.at("/choices/0/finish_reason"));
        assertThat(chunks.getLast().at("/choices/0/stop_reason")).isEqualTo(whole.at("/choices/0/stop_reason"));
    }

    private static void assertSameMessage(ApiServer server, String body, String expected) throws Exception {
        JsonNode whole = server.ask(MessagesRoutes.PATH, body + "}");
        List<NamedEvents.Event> events = NamedEvents.parse(
                server.post(MessagesRoutes.PATH, body + ",\"stream\":true}").body());
        String streamed = events.stream()
                .map(event -> event.data().at("/delta/text").asString(""))
                .collect(Collectors.joining());
        JsonNode end = events.get(events.size() - 2).data().get("delta");

        assertThat(whole.at("/content/0/text").asString()).isEqualTo(expected);
        assertThat(streamed).isEqualTo(expected);
        assertThat(end.get("stop_reason")).isEqualTo(whole.get("stop_reason"));
        assertThat(end.get("stop_sequence")).isEqualTo(whole.get("stop_sequence"));
    }

    private static void assertSameResponse(ApiServer server, String body, String expected) throws Exception {
        JsonNode whole = server.ask(ResponsesRoutes.PATH, body + "}");
        List<NamedEvents.Event> events = ResponsesTest.stream(server, body + ",\"stream\":true}");
        JsonNode end = events.getLast().data().get("response");

        assertThat(ResponsesTest.text(whole)).isEqualTo(expected);
        assertThat(ResponsesTest.deltas(events)).isEqualTo(expected);
        assertThat(ResponsesTest.text(end)).isEqualTo(expected);
        assertThat(end.get("status")).isEqualTo(whole.get("status"));
        assertThat(end.get("usage")).isEqualTo(whole.get("usage"));
    }

    @Provide
    Arbitrary<Answer> answers() {
        Arbitrary<String> texts =
                Arbitraries.of(CHARACTERS).list().ofMinSize(1).ofMaxSize(40).map(list -> String.join("", list));
        Arbitrary<List<Integer>> lengths =
                Arbitraries.integers().between(1, 5).list().ofMinSize(1).ofMaxSize(7);
        Arbitrary<List<Integer>> stops =
                Arbitraries.integers().between(0, 60).list().ofMaxSize(6);
        return Combinators.combine(texts, lengths, lengths, stops)
                .as((text, cuts, groups, at) -> new Answer(text, cuts, groups, stops(text, at)));
    }

    /** Parts of the text between code points; one that is not in it, if there are numbers for it. */
    private static List<String> stops(String text, List<Integer> numbers) {
        int points = text.codePointCount(0, text.length());
        List<String> stops = new ArrayList<>();
        for (int i = 0; i + 1 < numbers.size(); i += 2) {
            int from = numbers.get(i) % points;
            int length = 1 + numbers.get(i + 1) % Math.min(6, points - from);
            stops.add(text.substring(text.offsetByCodePoints(0, from), text.offsetByCodePoints(0, from + length)));
        }
        if (numbers.size() % 2 == 1) {
            stops.add("abcabcabc?");
        }
        return stops;
    }

    private static List<byte[]> pieces(Answer answer) {
        byte[] bytes = answer.text.getBytes(StandardCharsets.UTF_8);
        List<byte[]> pieces = new ArrayList<>();
        for (int at = 0, i = 0; at < bytes.length; i++) {
            int end = Math.min(bytes.length, at + answer.cuts.get(i % answer.cuts.size()));
            pieces.add(Arrays.copyOfRange(bytes, at, end));
            at = end;
        }
        return pieces;
    }

    /** The stop string that is complete first ends the text; of two that end there, the longer. */
    private static String untilFirstStop(Answer answer) {
        int end = Integer.MAX_VALUE;
        int begin = answer.text.length();
        for (String stop : answer.stops) {
            int at = answer.text.indexOf(stop);
            if (at >= 0 && (at + stop.length() < end || (at + stop.length() == end && at < begin))) {
                end = at + stop.length();
                begin = at;
            }
        }
        return answer.text.substring(0, begin);
    }

    private String chatBody(Answer answer) {
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stop\":"
                + json.writeValueAsString(answer.stops);
    }

    private String responsesBody(Answer answer) {
        return "{\"input\":\"a\",\"stop\":" + json.writeValueAsString(answer.stops);
    }

    private String messagesBody(Answer answer) {
        return "{\"max_tokens\":400,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stop_sequences\":"
                + json.writeValueAsString(answer.stops);
    }

    private String completionBody(Answer answer) {
        return "{\"prompt\":\"a\",\"stop\":" + json.writeValueAsString(answer.stops);
    }
}
