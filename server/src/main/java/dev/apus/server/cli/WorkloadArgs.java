package dev.apus.server.cli;

import dev.apus.server.bench.BenchRequest;
import dev.apus.server.bench.Workload;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which requests a benchmark sends; names are those of {@code vllm bench}. */
final class WorkloadArgs {
    @Option(
            names = "--num-prompts",
            paramLabel = "N",
            description = "Requests. Default: 1000 random ones, or those of the file")
    private @Nullable Integer count;

    @Option(
            names = {"--input-len", "--random-input-len"},
            paramLabel = "N",
            defaultValue = "1024",
            description = "Tokens of a random prompt. Default: ${DEFAULT-VALUE}")
    private int input;

    @Option(
            names = {"--output-len", "--random-output-len"},
            paramLabel = "N",
            defaultValue = "128",
            description = "Tokens to generate, where a file does not say. Default: ${DEFAULT-VALUE}")
    private int output;

    @Option(
            names = {"--range-ratio", "--random-range-ratio"},
            paramLabel = "R",
            defaultValue = "0",
            description = "Random lengths are uniform in length * (1 +- R). Default: ${DEFAULT-VALUE}")
    private double range;

    @Option(
            names = {"--prefix-len", "--random-prefix-len"},
            paramLabel = "N",
            defaultValue = "0",
            description = "Tokens that all random prompts begin with, beside their own. Default: ${DEFAULT-VALUE}")
    private int prefix;

    @Option(
            names = "--dataset-path",
            paramLabel = "FILE",
            description = {
                "Requests of a file: JSON lines with prompt (text or token ids) or prompt_len, and output_len;",
                "or a ShareGPT file."
            })
    private @Nullable Path file;

    @Option(
            names = "--dataset-seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Of random prompts and arrivals. Default: ${DEFAULT-VALUE}")
    private long seed;

    long seed() {
        return seed;
    }

    List<BenchRequest> requests(int vocabSize) {
        if (file == null) {
            return Workload.random(count == null ? 1000 : count, input, output, range, prefix, vocabSize, seed);
        }
        try {
            return Workload.read(file, count == null ? 0 : count, output, vocabSize, seed);
        } catch (IOException e) {
            throw new UserException("--dataset-path " + file + " cannot be read: " + e.getMessage());
        }
    }
}
