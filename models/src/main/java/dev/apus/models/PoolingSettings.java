package dev.apus.models;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How a model makes sentences into vectors.
 *
 * @param pooling of the tokens' hidden states
 * @param normalise whether the vector is divided by its length
 * @param prompts texts to put in front of a sentence, by name
 * @param defaultPrompt name of the prompt that applies where none is asked for, or null
 * @param maxTokens most tokens of a sentence that the model's makers intend; 0 where they say nothing
 */
public record PoolingSettings(
        Pooling pooling,
        boolean normalise,
        Map<String, String> prompts,
        @Nullable String defaultPrompt,
        int maxTokens) {
    public PoolingSettings {
        prompts = Map.copyOf(prompts);
    }

    /**
     * What sentence-transformers' files beside a decoder say, else the last token's state, normalised, as in vLLM.
     *
     * @param path the model's folder or file
     * @throws dev.apus.loaders.CheckpointException if they ask for what cannot be done
     */
    public static PoolingSettings ofDecoder(Path path) {
        return Files.isDirectory(path)
                ? new SentenceFiles(path, new JsonFiles()).read(Pooling.LAST)
                : new PoolingSettings(Pooling.LAST, true, Map.of(), null, 0);
    }

    /** Another pooling, as an operator asks for; null keeps what is here. */
    public PoolingSettings with(@Nullable Pooling other, @Nullable Boolean normalised) {
        return new PoolingSettings(
                other == null ? pooling : other,
                normalised == null ? normalise : normalised,
                prompts,
                defaultPrompt,
                maxTokens);
    }
}
