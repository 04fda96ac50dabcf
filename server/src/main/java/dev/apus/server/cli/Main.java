package dev.apus.server.cli;

import dev.apus.loaders.CheckpointException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
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
        footer = {"", "apus COMMAND --help tells the options of a command."})
public final class Main implements Runnable {
    /** Exit status for a fault of the user's: a bad option, a missing model, a busy port. */
    private static final int USER_ERROR = 1;

    /** In the order of the help. */
    private static final List<Entry> COMMANDS = List.of(
            new Entry("serve", ServeCommand::new),
            new Entry("chat", ChatCommand::new),
            new Entry("run", RunCommand::new),
            new Entry("download", DownloadCommand::new),
            new Entry("bench", BenchCommand::new),
            new Entry("doctor", DoctorCommand::new),
            new Entry("test", TestCommand::new),
            new Entry("dist", DistCommand::new),
            new Entry("aot-train", AotTrainCommand::new),
            new Entry("help", HelpCommand::new));

    private record Entry(String name, Supplier<Object> command) {}

    @CommandLine.Spec
    private CommandLine.Model.@Nullable CommandSpec spec;

    /** Runs a command line and exits with its status. */
    public static void main(String[] args) {
        System.exit(run(System.getenv(), args));
    }

    /** Runs a command line; the exit status is 0 for success, 1 for failure, 2 for wrong usage. */
    static int run(Map<String, String> environment, String... args) {
        CommandLine commands = commands(args.length == 0 ? "" : args[0]);
        try {
            Settings settings = Settings.read(environment, args);
            if (settings.hasFile()) {
                settings.checkKeys(commands(""));
            }
            commands.setDefaultValueProvider(settings);
            commands.getSubcommands().values().forEach(c -> c.setDefaultValueProvider(settings));
        } catch (IllegalArgumentException e) {
            commands.getErr().println("apus: " + e.getMessage());
            return commands.getCommandSpec().exitCodeOnInvalidInput();
        }
        return commands.execute(args);
    }

    /**
     * The command line with the subcommand of that name, or with all if there is none: reading the annotations of one takes a
     * noticeable part of a start.
     */
    static CommandLine commands(String name) {
        CommandLine commands = new CommandLine(new Main());
        boolean one = COMMANDS.stream().anyMatch(entry -> entry.name.equals(name) && !name.equals("help"));
        for (Entry entry : COMMANDS) {
            if (!one || entry.name.equals(name)) {
                commands.addSubcommand(entry.name, entry.command.get());
            }
        }
        if (!one) {
            CommandLine completion = new CommandLine(new AutoComplete.GenerateCompletion());
            completion.getCommandSpec().usageMessage().hidden(false);
            commands.addSubcommand("completion", completion);
        }
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
        return e instanceof UsageException ? command.getCommandSpec().exitCodeOnInvalidInput() : USER_ERROR;
    }

    @Override
    public void run() {
        if (spec != null) {
            spec.commandLine().usage(spec.commandLine().getOut());
        }
    }
}
