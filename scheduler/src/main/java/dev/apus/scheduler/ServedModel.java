package dev.apus.scheduler;

import dev.apus.models.chat.ChatTemplate;
import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.pooling.Pooler;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a front end needs of a loaded model.
 *
 * @param name as shown in {@code /v1/models} and accepted as {@code model}
 * @param tokenizer the model's tokenizer
 * @param chatTemplate null if the model has none: then only raw prompts work
 * @param templateVariables strings that templates refer to ({@code bos_token}, {@code eos_token}, ...)
 * @param maxModelLength most tokens of prompt plus output
 * @param vocabSize width of the logits
 * @param generationDefaults sampling defaults of generation_config.json by vLLM's parameter names; empty if none
 * @param eosIds ids that end an answer unless the request ignores them
 * @param engine runs its requests
 * @param seeds seeds of requests that bring none
 * @param pooler makes vectors of texts; null if the model is not served for that
 */
public record ServedModel(
        String name,
        Tokenizer tokenizer,
        @Nullable ChatTemplate chatTemplate,
        Map<String, String> templateVariables,
        int maxModelLength,
        int vocabSize,
        Map<String, Double> generationDefaults,
        Set<Integer> eosIds,
        Engine engine,
        Seeds seeds,
        @Nullable Pooler pooler) {
    /** A model that is served for its texts alone. */
    public ServedModel(
            String name,
            Tokenizer tokenizer,
            @Nullable ChatTemplate chatTemplate,
            Map<String, String> templateVariables,
            int maxModelLength,
            int vocabSize,
            Map<String, Double> generationDefaults,
            Set<Integer> eosIds,
            Engine engine,
            Seeds seeds) {
        this(
                name,
                tokenizer,
                chatTemplate,
                templateVariables,
                maxModelLength,
                vocabSize,
                generationDefaults,
                eosIds,
                engine,
                seeds,
                null);
    }

    /** A model whose tokenizer knows all ids that end an answer; seeds are those of base 0. */
    public ServedModel(
            String name,
            Tokenizer tokenizer,
            @Nullable ChatTemplate chatTemplate,
            Map<String, String> templateVariables,
            int maxModelLength,
            int vocabSize,
            Map<String, Double> generationDefaults,
            Engine engine) {
        this(
                name,
                tokenizer,
                chatTemplate,
                templateVariables,
                maxModelLength,
                vocabSize,
                generationDefaults,
                Set.copyOf(tokenizer.eosIds()),
                engine,
                new Seeds(0),
                null);
    }

    /** Whether it generates text; an encoder, or a model that is served for pooling alone, does not. */
    public boolean generates() {
        return !(engine instanceof PoolingOnly);
    }

    /** This model with something that pools. */
    ServedModel withPooler(Pooler other, boolean only) {
        return new ServedModel(
                name,
                tokenizer,
                only ? null : chatTemplate,
                templateVariables,
                maxModelLength,
                vocabSize,
                generationDefaults,
                eosIds,
                only ? new PoolingOnly(name, engine) : engine,
                seeds,
                other);
    }
}
