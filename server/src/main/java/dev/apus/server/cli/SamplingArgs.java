package dev.apus.server.cli;

import dev.apus.scheduler.LanguageModel;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.SamplingParamsBuilder;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How answers on the terminal are sampled; what is not given is the model's own default. */
final class SamplingArgs {
    @Option(names = "--temperature", paramLabel = "T", description = "0 is greedy. Default: the model's")
    private @Nullable Double temperature;

    @Option(names = "--top-p", paramLabel = "P", description = "Keep the likeliest tokens up to this probability.")
    private @Nullable Double topP;

    @Option(names = "--top-k", paramLabel = "K", description = "Keep the K likeliest tokens; 0 keeps all.")
    private @Nullable Integer topK;

    @Option(names = "--sampling-seed", paramLabel = "N", description = "The same seed gives the same text.")
    private @Nullable Long samplingSeed;

    @Option(names = "--max-tokens", paramLabel = "N", description = "Most tokens of an answer.")
    private @Nullable Integer maxTokens;

    /**
     * Whether the values are in range.
     *
     * @return what they make of the usual defaults
     * @throws IllegalArgumentException naming the one that is not
     */
    SamplingParams check() {
        return apply(new SamplingParamsBuilder());
    }

    SamplingParams params(LanguageModel model) {
        return apply(model.params());
    }

    private SamplingParams apply(SamplingParamsBuilder params) {
        if (temperature != null) {
            params.temperature(temperature);
        }
        if (topP != null) {
            params.topP(topP);
        }
        if (topK != null) {
            params.topK(topK);
        }
        if (samplingSeed != null) {
            params.seed(samplingSeed);
        }
        if (maxTokens != null) {
            params.maxTokens(maxTokens);
        }
        return params.build();
    }
}
