package dev.apus.loadtest;

import java.util.random.RandomGenerator;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Requests with random words: no two prompts begin alike, so that a prefix cache does not answer in the model's place. */
public final class Prompts {
    /** Common words, most of them one token in most vocabularies. */
    private static final String[] WORDS =
            ("the of and to in is you that it he was for on are as with his they at be this have from or one had by"
                            + " word but not what all were we when your can said there use an each which she do how their if will up"
                            + " other about out many then them these so some her would make like him into time has look two more"
                            + " write go see number no way could people my than first water been call who oil its now find long down"
                            + " day did get come made may part over new sound take only little work know place year live me back")
                    .split(" ");

    private static final JsonMapper JSON = new JsonMapper();

    private Prompts() {}

    /** About {@code tokens} tokens of text, without characters that JSON would escape. */
    public static String words(int tokens, RandomGenerator random) {
        StringBuilder text = new StringBuilder(tokens * 5);
        for (int i = 0; i < tokens; i++) {
            text.append(i == 0 ? "" : " ").append(WORDS[random.nextInt(WORDS.length)]);
        }
        return text.toString();
    }

    /** The body of a request for text, with fields of OpenAI's alone unless the target is to ignore the end of a text. */
    public static String body(Target target, String prompt, int maxTokens, boolean stream) {
        return object(target, prompt, maxTokens, stream).toString();
    }

    /** The same, to be changed. */
    public static ObjectNode object(Target target, String prompt, int maxTokens, boolean stream) {
        ObjectNode body = JSON.createObjectNode().put("model", target.model());
        if (target.endpoint().equals(Target.CHAT)) {
            body.putArray("messages").addObject().put("role", "user").put("content", prompt);
        } else {
            body.put("prompt", prompt);
        }
        body.put("max_tokens", maxTokens);
        if (target.ignoreEos()) {
            body.put("ignore_eos", true);
        }
        if (stream) {
            body.put("stream", true).putObject("stream_options").put("include_usage", true);
        }
        return body;
    }
}
