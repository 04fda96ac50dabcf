package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How a model marks its thoughts in the text.
 *
 * @param start what begins them
 * @param end what ends them
 * @param implicit whether the model thinks first without saying so
 */
record ReasoningFormat(String start, String end, boolean implicit) {
    /** Looks for the tags of a format in the vocabulary. */
    static final String AUTO = "auto";
    /** Leaves thoughts in the text. */
    static final String NONE = "none";

    private static final ReasoningFormat THINK = new ReasoningFormat("<think>", "</think>", false);
    private static final ReasoningFormat MISTRAL = new ReasoningFormat("[THINK]", "[/THINK]", false);
    private static final ReasoningFormat SEED = new ReasoningFormat("<seed:think>", "</seed:think>", false);
    private static final ReasoningFormat KIMI = new ReasoningFormat("◁think▷", "◁/think▷", false);

    /** By vLLM's names of parsers. */
    private static final List<Named> NAMED = List.of(
            new Named("deepseek_r1", new ReasoningFormat(THINK.start, THINK.end, true)),
            new Named("qwen3", THINK),
            new Named("glm45", THINK),
            new Named("olmo3", THINK),
            new Named("mistral", MISTRAL),
            new Named("seed_oss", SEED),
            new Named("kimi", KIMI));

    private record Named(String name, ReasoningFormat format) {}

    /** All names for {@code --reasoning-parser}, for messages. */
    static String names() {
        return AUTO + ", " + NONE + ", " + NAMED.stream().map(Named::name).collect(Collectors.joining(", "));
    }

    static boolean isName(String name) {
        return name.equals(AUTO) || name.equals(NONE) || named(name).isPresent();
    }

    private static Optional<ReasoningFormat> named(String name) {
        return NAMED.stream()
                .filter(known -> known.name.equals(name))
                .map(Named::format)
                .findFirst();
    }

    /** The format of that name; for {@link #AUTO} the one whose tags are tokens of the model. Null if thoughts are not told apart. */
    static @Nullable ReasoningFormat of(String name, Tokenizer tokenizer) {
        if (!name.equals(AUTO)) {
            return named(name).orElse(null);
        }
        for (ReasoningFormat format : List.of(THINK, MISTRAL, SEED, KIMI)) {
            if (tokenizer.id(format.start) >= 0 && tokenizer.id(format.end) >= 0) {
                return format;
            }
        }
        return null;
    }

    /** Whether a rendered prompt leaves the model in the middle of a thought. */
    boolean isOpenAfter(String prompt) {
        String text = prompt.stripTrailing();
        return text.endsWith(start) || (implicit && !text.endsWith(end));
    }

    /** Whether a message that the model is to go on with ends in the middle of a thought. */
    boolean isOpenWithin(String message) {
        return message.lastIndexOf(start) > message.lastIndexOf(end);
    }
}
