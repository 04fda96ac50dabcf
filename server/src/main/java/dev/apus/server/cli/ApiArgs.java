package dev.apus.server.cli;

import dev.apus.server.http.ApiOptions;
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

    /** @throws IllegalArgumentException naming the option that is out of its range */
    ApiOptions options() {
        return new ApiOptions(reasoningParser, trustRequestChatTemplate);
    }
}
