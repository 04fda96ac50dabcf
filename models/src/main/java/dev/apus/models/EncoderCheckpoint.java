package dev.apus.models;

import dev.apus.kernels.Backend;
import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.Safetensors;
import dev.apus.loaders.WeightSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * A BERT-class encoder on disk: a Hugging Face folder, with sentence-transformers' files or without.
 *
 * <p>Opening maps the tensors without reading them.
 */
public final class EncoderCheckpoint implements AutoCloseable {
    private final Path path;
    private final EncoderConfig config;
    private final EncoderNames names;
    private final WeightSource weights;
    private final PoolingSettings pooling;

    private EncoderCheckpoint(
            Path path, EncoderConfig config, EncoderNames names, WeightSource weights, PoolingSettings pooling) {
        this.path = path;
        this.config = config;
        this.names = names;
        this.weights = weights;
        this.pooling = pooling;
    }

    /**
     * Whether a path is a folder with an encoder's config.json: {@link #open} is for it then, and {@link Checkpoint#open} is not.
     *
     * @throws CheckpointException if there is a config.json that cannot be read
     */
    public static boolean isAt(Path path) {
        Path file = path.resolve("config.json");
        return Files.isRegularFile(file) && EncoderArchitectures.isEncoder(keys(file));
    }

    /**
     * Opens the folder of a BERT, RoBERTa, XLM-RoBERTa or DistilBERT model: config.json beside safetensors.
     *
     * @throws CheckpointException if it is none of these or damaged; the message names the file, the key and what is allowed
     */
    public static EncoderCheckpoint open(Path folder) {
        ConfigReader keys = keys(folder.resolve("config.json"));
        EncoderConfig config = EncoderArchitectures.config(keys);
        PoolingSettings pooling = new SentenceFiles(folder, new JsonFiles()).read(Pooling.CLS);
        return new EncoderCheckpoint(
                folder, config, EncoderArchitectures.names(keys), Safetensors.open(folder), pooling);
    }

    private static ConfigReader keys(Path file) {
        return new ConfigReader(file.toString(), new JsonFiles().object(file), Map.of());
    }

    public EncoderConfig config() {
        return config;
    }

    public Path path() {
        return path;
    }

    /** The tensors; closed with this checkpoint. */
    public WeightSource weights() {
        return weights;
    }

    /** How hidden states become vectors: as modules.json says, else the first token's, normalised, as in vLLM. */
    public PoolingSettings pooling() {
        return pooling;
    }

    /** Most tokens of a sequence: what the tables hold or, if less, what the makers intend. */
    public int maxTokens() {
        return pooling.maxTokens() == 0 ? config.maxTokens() : Math.min(config.maxTokens(), pooling.maxTokens());
    }

    /** {@link ModelName} of the folder. */
    public String name() {
        return ModelName.of(path);
    }

    EncoderWeights encoderWeights(Backend backend) {
        return new EncoderWeights(config, names, weights, backend);
    }

    @Override
    public void close() {
        weights.close();
    }
}
