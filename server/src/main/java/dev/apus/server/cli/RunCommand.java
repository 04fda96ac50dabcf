package dev.apus.server.cli;

import dev.apus.scheduler.ChatMessage;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.Generation;
import dev.apus.scheduler.LanguageModel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Answers one prompt on stdout. */
@Command(
        name = "run",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Answer one prompt and exit; the prompt comes from --prompt, --file or stdin.")
final class RunCommand implements Callable<Integer> {
    private static final String REMEDY = "; give --prompt TEXT, --file FILE, or pipe one in";

    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Mixin
    private SamplingArgs sampling = new SamplingArgs();

    @Option(
            names = {"-p", "--prompt"},
            paramLabel = "TEXT",
            description = "The prompt.")
    private @Nullable String prompt;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "A file that holds the prompt.")
    private @Nullable Path file;

    @Option(names = "--system", paramLabel = "TEXT", description = "A system message before the prompt.")
    private @Nullable String system;

    @Option(names = "--raw", description = "Continue the prompt as it is, without the chat template.")
    private boolean raw;

    @Override
    public Integer call() throws IOException {
        UsageException.checked(sampling::check);
        EngineOptions options = UsageException.checked(engine::options);
        if (prompt == null && file == null && model.isText()) {
            // A prompt in the place of the model is a usual slip.
            throw new UsageException(
                    "'" + model.argument() + "' is no model; did you mean --prompt '" + model.argument() + "'?");
        }
        String text = readPrompt();
        Path path = model.resolve();
        try (LanguageModel loaded =
                        model.open(path, p -> LanguageModel.open(p, engine.openBackend(), options, model.name()));
                Generation answer = answer(loaded, text)) {
            // Not picocli's writer: pieces must show as they come, in UTF-8 whatever the locale.
            PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
            for (String piece : answer) {
                out.print(piece);
                out.flush();
            }
            out.println();
        }
        return 0;
    }

    private Generation answer(LanguageModel loaded, String text) {
        if (raw || loaded.served().chatTemplate() == null) {
            return loaded.complete(text, sampling.params(loaded), List.of());
        }
        List<ChatMessage> messages = new ArrayList<>();
        if (system != null) {
            messages.add(ChatMessage.system(system));
        }
        messages.add(ChatMessage.user(text));
        return loaded.chat(messages, sampling.params(loaded), List.of());
    }

    private String readPrompt() throws IOException {
        if (prompt != null && file != null) {
            throw new UsageException("give --prompt or --file, not both");
        }
        if (prompt != null) {
            return notEmpty(prompt, "--prompt is empty");
        }
        if (file != null) {
            if (!Files.isReadable(file)) {
                throw new UserException("--file " + file + " is not a readable file");
            }
            return notEmpty(Files.readString(file), "--file " + file + " is empty");
        }
        if (Terminal.interactive()) {
            throw new UsageException("no prompt" + REMEDY);
        }
        String piped = new String(System.in.readAllBytes(), StandardCharsets.UTF_8).strip();
        return notEmpty(piped, "no prompt: standard input is empty");
    }

    private static String notEmpty(String text, String otherwise) {
        if (text.isBlank()) {
            throw new UsageException(otherwise + REMEDY);
        }
        return text;
    }
}
