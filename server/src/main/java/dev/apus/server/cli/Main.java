package dev.apus.server.cli;

import dev.apus.kernels.ApusException;
import dev.apus.kernels.cuda.ffi.CudaException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    /** How the checks of option records begin. */
    private static final Pattern RANGE = Pattern.compile("^([a-z][A-Za-z0-9_]*) is ");

    /** In the order of the help. */
    private static final List<Entry> COMMANDS = List.of(
            new Entry("serve", ServeCommand::new),
            new Entry("chat", ChatCommand::new),
            new Entry("run", RunCommand::new),
            new Entry("download", DownloadCommand::new),
            new Entry("keys", KeysCommand::new),
            new Entry("bench", BenchCommand::new),
            new Entry("loadtest", LoadtestCommand::new),
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
        return run(
                environment,
                new PrintWriter(System.out, true, System.out.charset()),
                new PrintWriter(System.err, true, System.err.charset()),
                args);
    }

    /** As {@link #run(Map, String...)}, with help and complaints to writers of the caller's. */
    static int run(Map<String, String> environment, PrintWriter out, PrintWriter err, String... args) {
        String command = args.length == 0 ? "" : args[0];
        CommandLine commands = commands(command).setOut(out).setErr(err);
        try {
            Settings settings = Settings.read(environment, args);
            settings.checkKeys(() -> commands(command), () -> commands(""), err);
            commands.setDefaultValueProvider(settings);
            commands.getSubcommands().values().forEach(c -> c.setDefaultValueProvider(settings));
            commands.setParameterExceptionHandler((e, given) -> misused(e, settings.origin(e, given)));
        } catch (IllegalArgumentException e) {
            err.println("apus: " + e.getMessage());
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
            completion.setCommandName("completion");
            completion
                    .getCommandSpec()
                    .usageMessage()
                    .hidden(false)
                    .header("Generates a completion script.")
                    .description(
                            "Print a completion script for bash and zsh. For this shell:",
                            "",
                            "  source <(apus completion)");
            commands.addSubcommand("completion", completion);
        }
        commands.setCaseInsensitiveEnumValuesAllowed(true);
        commands.setAbbreviatedOptionsAllowed(false);
        commands.setUsageHelpAutoWidth(true);
        commands.setExecutionExceptionHandler((e, command, parsed) -> failed(e, command));
        return commands;
    }

    /** One line for what is wrong and one for where help is: forty lines of options would hide it. */
    private static int misused(CommandLine.ParameterException e, String origin) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("apus: " + e.getMessage() + origin);
        CommandLine.UnmatchedArgumentException.printSuggestions(e, err);
        err.println("'" + command.getCommandSpec().qualifiedName() + " --help' lists what may be given.");
        err.flush();
        return command.getCommandSpec().exitCodeOnInvalidInput();
    }

    /** The message of an option's range check, {@code max_model_len is 9}, with the option's name as the command has it. */
    private static String message(Exception e, CommandLine command) {
        String message = String.valueOf(e.getMessage());
        Matcher range = RANGE.matcher(message);
        if (range.find()) {
            String option = "--"
                    + range.group(1)
                            .replaceAll("([a-z0-9])([A-Z])", "$1-$2")
                            .replace('_', '-')
                            .toLowerCase(Locale.ROOT);
            if (command.getCommandSpec().findOption(option) != null) {
                return option + message.substring(range.end(1));
            }
        }
        return message;
    }

    private static int failed(Exception e, CommandLine command) {
        PrintWriter err = command.getErr();
        // Option records refuse values with the plain IllegalArgumentException.
        boolean expected = e instanceof ApusException
                || e instanceof IllegalArgumentException
                || (e instanceof CudaException cuda && cuda.isOutOfMemory());
        if (System.getenv("APUS_DEBUG") != null || !expected) {
            e.printStackTrace(err);
        } else {
            err.println("apus: " + message(e, command));
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
