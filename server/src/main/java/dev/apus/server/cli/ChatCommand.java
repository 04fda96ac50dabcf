package dev.apus.server.cli;

import dev.apus.scheduler.ChatMessage;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.Generation;
import dev.apus.scheduler.LanguageModel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A conversation on the terminal. */
@Command(
        name = "chat",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Talk to a model on the terminal.",
        footer = {"", "In the conversation: /clear forgets it, /exit or end of input ends it."})
final class ChatCommand implements Callable<Integer> {
    /** One word behind a slash: meant for us, a text or a path for the model has more. */
    private static final Pattern COMMAND = Pattern.compile("/[a-zA-Z?]*");

    private static final String HELP = "/clear forgets the conversation, /exit or end of input ends it";

    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Mixin
    private SamplingArgs sampling = new SamplingArgs();

    @Option(names = "--system", paramLabel = "TEXT", description = "A system message at the beginning.")
    private @Nullable String system;

    @Override
    public Integer call() throws IOException {
        UsageException.checked(sampling::check);
        EngineOptions options = UsageException.checked(engine::options);
        Path path = model.resolve();
        try (LanguageModel loaded =
                model.open(path, p -> LanguageModel.open(p, engine.openBackend(), options, model.name()))) {
            PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
            if (Terminal.interactive()) {
                out.println(loaded.served().name() + " is ready. /exit ends the conversation, /clear forgets it.");
            }
            converse(loaded, new BufferedReader(new InputStreamReader(System.in, Terminal.charset())), out);
        }
        return 0;
    }

    private void converse(LanguageModel loaded, BufferedReader in, PrintStream out) throws IOException {
        List<ChatMessage> messages = begin();
        while (true) {
            if (Terminal.interactive()) {
                out.print("> ");
                out.flush();
            }
            String line = in.readLine();
            if (line == null || line.strip().equals("/exit")) {
                return;
            }
            if (line.strip().equals("/clear")) {
                messages = begin();
            } else if (COMMAND.matcher(line.strip()).matches()) {
                out.println(HELP);
            } else if (!line.isBlank()) {
                messages.add(ChatMessage.user(line));
                messages.add(ChatMessage.assistant(answer(loaded, messages, out)));
            }
        }
    }

    private List<ChatMessage> begin() {
        List<ChatMessage> messages = new ArrayList<>();
        if (system != null) {
            messages.add(ChatMessage.system(system));
        }
        return messages;
    }

    private String answer(LanguageModel loaded, List<ChatMessage> messages, PrintStream out) {
        StringBuilder text = new StringBuilder();
        try (Generation answer = loaded.chat(messages, sampling.params(loaded), List.of())) {
            for (String piece : answer) {
                out.print(piece);
                out.flush();
                text.append(piece);
            }
        } catch (IllegalArgumentException e) {
            // A conversation that outgrew the context: the user can /clear and go on.
            out.print(e.getMessage());
        }
        out.println();
        return text.toString();
    }
}
