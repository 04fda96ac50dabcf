package dev.apus.server.cli;

import dev.apus.server.http.ApiOptions;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options about requests for text. */
final class ApiArgs {
    @Option(
            names = "--reasoning-parser",
            paramLabel = "NAME",
            defaultValue = "auto",
            description =
                    "How thoughts are told from answers: auto (by the tags in the model's vocabulary), none, deepseek_r1,"
                            + " qwen3, glm45, olmo3, mistral, seed_oss, kimi. Default: ${DEFAULT-VALUE}")
    private String reasoningParser = "auto";

    @Option(names = "--trust-request-chat-template", description = "Let a request bring its own chat template.")
    private boolean trustRequestChatTemplate;

    @Option(
            names = "--max-stored-responses",
            paramLabel = "N",
            defaultValue = "" + ApiOptions.MOST_STORED,
            description = "Most responses of the Responses API that are kept. Default: ${DEFAULT-VALUE}")
    private int maxStoredResponses = ApiOptions.MOST_STORED;

    @Option(
            names = "--max-stored-response-bytes",
            paramLabel = "BYTES",
            converter = ByteSize.class,
            description = "Most bytes of the heap that they take, about. Default: a sixteenth of it, at most 256 MiB")
    private @Nullable Long maxStoredResponseBytes;

    /** @throws IllegalArgumentException naming the option that is out of its range */
    ApiOptions options() {
        Long bytes = maxStoredResponseBytes;
        return new ApiOptions(
                reasoningParser,
                trustRequestChatTemplate,
                maxStoredResponses,
                bytes == null ? ApiOptions.usualStoredBytes() : bytes);
    }
}
