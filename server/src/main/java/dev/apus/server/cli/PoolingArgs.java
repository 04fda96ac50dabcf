package dev.apus.server.cli;

import dev.apus.models.Pooling;
import dev.apus.scheduler.pooling.PoolingOptions;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** How a model makes vectors of texts. */
final class PoolingArgs {
    @Option(
            names = "--runner",
            paramLabel = "NAME",
            defaultValue = "auto",
            description =
                    "What the model is served for: auto (an encoder for embeddings and scores, a decoder for text and"
                            + " embeddings), generate, pooling. Default: ${DEFAULT-VALUE}")
    private PoolingOptions.Runner runner = PoolingOptions.Runner.AUTO;

    @Option(
            names = {"--pooler-config", "--override-pooler-config"},
            paramLabel = "JSON",
            description =
                    "How hidden states become a vector, as {\"pooling_type\": \"MEAN\", \"normalize\": true}: CLS, LAST,"
                            + " MEAN, MAX, MEAN_SQRT_LEN_TOKENS or WEIGHTEDMEAN. Default: what the model's files say, else CLS of an"
                            + " encoder and LAST of a decoder, normalised")
    private @Nullable String poolerConfig;

    /** @throws IllegalArgumentException if a value is none of those allowed */
    PoolingOptions options() {
        Pooling pooling = null;
        Boolean normalise = null;
        for (Map.Entry<?, ?> entry : config().entrySet()) {
            Object value = entry.getValue();
            switch (String.valueOf(entry.getKey())) {
                case "pooling_type", "seq_pooling_type" -> pooling = Pooling.of(String.valueOf(value));
                case "normalize", "use_activation" -> {
                    if (!(value instanceof Boolean flag)) {
                        throw new IllegalArgumentException(
                                "--pooler-config: '" + entry.getKey() + "' is " + value + ", must be true or false");
                    }
                    normalise = flag;
                }
                default ->
                    throw new IllegalArgumentException("--pooler-config has the key '" + entry.getKey()
                            + "'; allowed are pooling_type and normalize");
            }
        }
        return new PoolingOptions(runner, pooling, normalise);
    }

    private Map<?, ?> config() {
        if (poolerConfig == null) {
            return Map.of();
        }
        try {
            if (JsonMapper.shared().readValue(poolerConfig, Object.class) instanceof Map<?, ?> map) {
                return map;
            }
        } catch (JacksonException e) {
            throw new IllegalArgumentException("--pooler-config is no JSON: " + e.getOriginalMessage(), e);
        }
        throw new IllegalArgumentException("--pooler-config is '" + poolerConfig + "', must be a JSON object");
    }
}
