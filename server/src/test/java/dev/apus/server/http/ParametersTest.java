package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Every parameter is served, refused by name, or named in the warning: none is dropped in silence. */
@Timeout(60)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ParametersTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private final ApiServer server = new ApiServer(new CharTokenizer(), new ScriptedEngine(new EchoScript()));

    @AfterAll
    void close() {
        server.close();
    }

    /** A parameter and values just outside of what is allowed, besides those that are wrong for every number. */
    private static Stream<List<String>> numbers() {
        return Stream.of(
                List.of(CHAT, "temperature", "-0.01", "100.1", "1e400", "-1e400"),
                List.of(CHAT, "top_p", "0", "1.01", "-1"),
                List.of(CHAT, "min_p", "-0.01", "1.01"),
                List.of(CHAT, "top_k", "-2", "1.5", "2147483648"),
                List.of(CHAT, "repetition_penalty", "0", "-1", "101"),
                List.of(CHAT, "presence_penalty", "-2.01", "2.01"),
                List.of(CHAT, "frequency_penalty", "-2.01", "2.01"),
                List.of(CHAT, "length_penalty", "1e400"),
                List.of(CHAT, "seed", "0.5", "9223372036854775808", "-9223372036854775809"),
                List.of(CHAT, "n", "0", "-1", "129", "1.5"),
                List.of(CHAT, "best_of", "0", "2"),
                List.of(CHAT, "max_tokens", "0", "-1", "2.5", "4096", "99999999999999999999"),
                List.of(CHAT, "max_completion_tokens", "0", "-1", "2.5", "4096"),
                List.of(CHAT, "min_tokens", "-1", "1.5", "4096"),
                List.of(CHAT, "top_logprobs", "-1", "21", "1"),
                List.of(CHAT, "prompt_logprobs", "-1", "21", "0.5"),
                List.of(CHAT, "priority", "0.5", "2147483648"),
                List.of(CHAT, "truncate_prompt_tokens", "-2", "0", "4097"),
                List.of(TEXT, "logprobs", "-1", "21", "0.5"),
                List.of(TEXT, "max_tokens", "0", "-1", "4096"),
                List.of(TEXT, "n", "0", "129"),
                List.of(TEXT, "temperature", "-0.01"),
                List.of(TEXT, "min_tokens", "17"),
                List.of(TEXT, "best_of", "0", "129"),
                List.of(TEXT, "stream_interval", "0", "1025"));
    }

    @ParameterizedTest
    @MethodSource("numbers")
    void refusesBadNumbersByName(List<String> parameter) throws Exception {
        String path = parameter.get(0);
        String name = parameter.get(1);
        List<String> values = new ArrayList<>(parameter.subList(2, parameter.size()));
        values.addAll(List.of("\"1\"", "true", "[1]", "{}"));
        for (String value : values) {
            assertRefused(path, "\"" + name + "\":" + value, name);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"logit_bias\":{\"97\":101} | logit_bias.97",
                "\"logit_bias\":{\"97\":\"1\"} | logit_bias.97",
                "\"logit_bias\":{\"97\":null} | logit_bias.97",
                "\"logit_bias\":{\"a\":1} | logit_bias",
                "\"logit_bias\":{\"65536\":1} | logit_bias",
                "\"logit_bias\":[1] | logit_bias",
                "\"stop_token_ids\":[1,-1] | stop_token_ids[1]",
                "\"stop_token_ids\":[1.5] | stop_token_ids[0]",
                "\"stop_token_ids\":1 | stop_token_ids",
                "\"allowed_token_ids\":[65536] | allowed_token_ids[0]",
                "\"allowed_token_ids\":[\"a\"] | allowed_token_ids[0]",
                "\"stop\":[1] | stop[0]",
                "\"stop\":[\"\"] | stop",
                "\"stop\":1 | stop",
                "\"stream\":1 | stream",
                "\"stream_options\":{\"include_usage\":true} | stream_options",
                "\"stream\":true,\"stream_options\":{\"include_usage\":1} | stream_options.include_usage",
                "\"stream\":true,\"prompt_logprobs\":1 | prompt_logprobs",
                "\"ignore_eos\":\"yes\" | ignore_eos",
                "\"cache_salt\":\"\" | cache_salt",
                "\"request_id\":\"two words\" | request_id",
                "\"request_id\":1 | request_id",
                "\"user\":1 | user",
                "\"metadata\":\"a\" | metadata",
                "\"parallel_tool_calls\":\"no\" | parallel_tool_calls",
                "\"prediction\":\"a\" | prediction",
                "\"store\":1 | store",
                "\"service_tier\":1 | service_tier",
                "\"verbosity\":1 | verbosity",
                "\"use_beam_search\":true | use_beam_search",
                "\"response_format\":{\"type\":\"json_object\"} | response_format",
                "\"response_format\":{} | response_format.type",
                "\"structured_outputs\":{\"regex\":\"a\"} | structured_outputs",
                "\"bad_words\":[\" \"] | bad_words",
                "\"bad_words\":[1] | bad_words[0]",
                "\"logits_processors\":[\"a\"] | logits_processors",
                "\"logprob_token_ids\":[1] | logprob_token_ids",
                "\"logprobs\":true,\"top_logprobs\":2,\"logprob_token_ids\":[1] | logprob_token_ids",
                "\"logprobs\":true,\"logprob_token_ids\":[65536] | logprob_token_ids[0]",
                "\"thinking_token_budget\":5 | thinking_token_budget",
                "\"truncation_side\":\"up\" | truncation_side",
                "\"reasoning_effort\":\"much\" | reasoning_effort",
                "\"repetition_detection\":{\"max_pattern_size\":2,\"min_pattern_size\":3,\"min_count\":2}"
                        + " | repetition_detection.min_pattern_size",
                "\"tools\":[{\"type\":\"function\"}] | tool_choice",
                "\"tools\":[],\"tool_choice\":\"required\" | tool_choice",
                "\"tools\":{} | tools",
                "\"modalities\":[\"text\",\"audio\"] | modalities",
                "\"functions\":[{}] | functions",
                "\"chat_template\":\"x\" | chat_template",
                "\"echo\":true | echo",
                "\"top_logprobs\":2 | top_logprobs"
            })
    void refusesWhatItCannotDoByName(String part, String param) throws Exception {
        assertRefused(CHAT, part, param);
    }

    @Test
    void namesWhatHasNoEffect() throws Exception {
        assertThat(warning(
                        "\"prediction\":{\"type\":\"content\",\"content\":\"a\"},\"store\":true,\"length_penalty\":1.5,"
                                + "\"service_tier\":\"flex\",\"verbosity\":\"low\",\"prompt_cache_retention\":\"24h\","
                                + "\"spaces_between_special_tokens\":false"))
                .isEqualTo("299 apus \"parameters without effect here: length_penalty, prediction, store,"
                        + " spaces_between_special_tokens, service_tier, prompt_cache_retention, verbosity\"");
    }

    @Test
    void namesUnknownParametersAlsoWithinObjects() throws Exception {
        assertThat(warning("\"odd\\r\\nX: 1\":1,\"stream\":true,\"stream_options\":"
                        + "{\"include_usage\":true,\"include_obfuscation\":true,\"more\":1},\"store\":true"))
                .isEqualTo("299 apus \"unknown parameters ignored: odd__X__1, stream_options.more;"
                        + " parameters without effect here: store, stream_options.include_obfuscation\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"user\":\"a\",\"safety_identifier\":\"b\",\"prompt_cache_key\":\"c\",\"metadata\":{\"d\":\"e\"}",
                "\"store\":false,\"length_penalty\":1,\"service_tier\":\"auto\",\"verbosity\":\"medium\"",
                "\"prediction\":null,\"prompt_cache_retention\":\"in_memory\",\"spaces_between_special_tokens\":true",
                "\"include_reasoning\":true,\"parallel_tool_calls\":false,\"tools\":[],\"tool_choice\":\"auto\"",
                "\"parallel_tool_calls\":true,\"tools\":[{\"type\":\"function\"}],\"tool_choice\":\"none\"",
                "\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}",
                "\"response_format\":{\"type\":\"text\"},\"modalities\":[\"text\"],\"logit_bias\":{},\"stop\":[]",
                "\"n\":2.0,\"best_of\":2,\"top_k\":-1,\"seed\":-9223372036854775808,\"temperature\":0,\"top_p\":1e-30",
                "\"truncate_prompt_tokens\":-1,\"min_tokens\":5,\"priority\":-3,\"cache_salt\":\"s\""
            })
    void saysNothingOfWhatHolds(String part) throws Exception {
        assertThat(warning(part)).isEmpty();
    }

    @Test
    void takesNullForAbsent() throws Exception {
        List<String> nulls = numbers()
                .filter(parameter ->
                        parameter.getFirst().equals(CHAT) && !parameter.get(1).equals("max_tokens"))
                .map(parameter -> "\"" + parameter.get(1) + "\":null")
                .toList();
        assertThat(warning(String.join(",", nulls) + ",\"stop\":null,\"logit_bias\":null,\"tools\":null"))
                .isEmpty();
    }

    @Test
    void takesTheAnswersIdFromRequestId() throws Exception {
        assertThat(server.ask(TEXT, "{\"prompt\":\"a\",\"request_id\":\"r:1\"}")
                        .get("id")
                        .asString())
                .isEqualTo("cmpl-r:1");
        // Two at once are two requests of the engine.
        JsonNode two = server.ask(TEXT, "{\"prompt\":[\"a\",\"b\"],\"n\":2,\"request_id\":\"r:1\"}");
        assertThat(two.get("choices")).hasSize(4);
    }

    @Test
    void truncatesThePromptsBeginning() throws Exception {
        JsonNode answer = server.ask(TEXT, "{\"prompt\":\"abcdef\",\"truncate_prompt_tokens\":2,\"max_tokens\":3}");
        assertThat(answer.at("/choices/0/text").asString()).isEqualTo("efe");
        assertThat(answer.at("/usage/prompt_tokens").asInt()).isEqualTo(2);

        String tooLong = "a".repeat(ApiServer.CONTEXT + 10);
        assertThat(server.ask(TEXT, "{\"prompt\":\"" + tooLong + "\",\"truncate_prompt_tokens\":-1,\"max_tokens\":6}")
                        .at("/usage/prompt_tokens")
                        .asInt())
                .isEqualTo(ApiServer.CONTEXT - 6);
    }

    private String warning(String part) throws Exception {
        HttpResponse<String> response = server.post(CHAT, body(CHAT, part + ",\"max_tokens\":8"));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return response.headers().firstValue("warning").orElse("");
    }

    private void assertRefused(String path, String part, String param) throws Exception {
        HttpResponse<String> response = server.post(path, body(path, part));
        assertThat(response.statusCode()).as("%s: %s", part, response.body()).isEqualTo(400);
        JsonNode error = server.tree(response.body()).get("error");
        assertThat(error.get("param").asString()).as("%s: %s", part, error).isEqualTo(param);
        assertThat(error.get("message").asString()).contains("'" + param.replaceAll("\\[0]$", ""));
        assertThat(error.get("type").asString()).isEqualTo("invalid_request_error");
        assertThat(error.get("code").asString()).isNotEmpty();
    }

    private static String body(String path, String part) {
        String prompt =
                path.equals(CHAT) ? "\"messages\":[{\"role\":\"user\",\"content\":\"ab\"}]" : "\"prompt\":\"ab\"";
        return "{" + prompt + "," + part + "}";
    }
}
