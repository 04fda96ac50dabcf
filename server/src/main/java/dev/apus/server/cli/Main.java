package dev.apus.server.cli;

import dev.apus.loaders.CheckpointException;
import java.io.PrintWriter;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/**
 * The {@code apus} command.
 *
 * <p>Every option can also be given as {@code APUS_…} environment variable or, for commands that take {@code --config}, as a key of a YAML
 * file; the command line wins over the environment, which wins over the file.
 */
@Command(
        name = "apus",
        description = "High-throughput LLM inference server on the JVM.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        subcommands = {
            ServeCommand.class,
            ChatCommand.class,
            RunCommand.class,
            DownloadCommand.class,
            BenchCommand.class,
            DoctorCommand.class,
            TestCommand.class,
            DistCommand.class,
            HelpCommand.class,
        },
        footer = {"", "apus COMMAND --help tells the options of a command."})
public final class Main implements Runnable {
    /** Exit status for a fault of the user's: a bad option, a missing model, a busy port. */
    private static final int USER_ERROR = 1;

    @CommandLine.Spec
    private CommandLine.Model.@Nullable CommandSpec spec;

    /** Runs a command line and exits with its status. */
    public static void main(String[] args) {
        System.exit(run(System.getenv(), args));
    }

    /** Runs a command line; the exit status is 0 for success, 1 for failure, 2 for wrong usage. */
    static int run(Map<String, String> environment, String... args) {
        CommandLine commands = commands();
        try {
            Settings settings = Settings.read(environment, args);
            settings.checkKeys(commands);
            commands.setDefaultValueProvider(settings);
            commands.getSubcommands().values().forEach(c -> c.setDefaultValueProvider(settings));
        } catch (IllegalArgumentException e) {
            commands.getErr().println("apus: " + e.getMessage());
            return commands.getCommandSpec().exitCodeOnInvalidInput();
        }
        return commands.execute(args);
    }

    static CommandLine commands() {
        CommandLine commands = new CommandLine(new Main());
        CommandLine completion = new CommandLine(new AutoComplete.GenerateCompletion());
        completion.getCommandSpec().usageMessage().hidden(false);
        commands.addSubcommand("completion", completion);
        commands.setCaseInsensitiveEnumValuesAllowed(true);
        commands.setAbbreviatedOptionsAllowed(false);
        commands.setUsageHelpAutoWidth(true);
        commands.setExecutionExceptionHandler((e, command, parsed) -> failed(e, command));
        return commands;
    }

    private static int failed(Exception e, CommandLine command) {
        PrintWriter err = command.getErr();
        boolean expected = e instanceof UserException
                || e instanceof CheckpointException
                || e instanceof IllegalArgumentException
                || e.getClass().getName().startsWith("dev.apus.");
        if (System.getenv("APUS_DEBUG") != null || !expected) {
            e.printStackTrace(err);
        } else {
            err.println("apus: " + e.getMessage());
        }
        err.flush();
        return USER_ERROR;
    }

    @Override
    public void run() {
        if (spec != null) {
            spec.commandLine().usage(spec.commandLine().getOut());
        }
    }
}
