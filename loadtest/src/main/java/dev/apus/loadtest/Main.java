package dev.apus.loadtest;

import java.io.IOException;
import java.util.EnumMap;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code apus loadtest}. The exit status is 0 if all is well, 1 if something was found or failed, 2 for wrong usage. */
@Command(
        name = "apus loadtest",
        description = "Load tests of a running server, Apus or another that speaks OpenAI's API.",
        mixinStandardHelpOptions = true,
        footer = {"", "apus loadtest SCENARIO --help tells the options of a scenario; docs/loadtest.md tells more."})
public final class Main implements Runnable {
    private static final Map<Scenario, String> DESCRIPTIONS = new EnumMap<>(
            Map.of(
                    Scenario.STEADY, "Equal load all the time.",
                    Scenario.RAMP, "More and more users, to where the server gives no more tokens a second.",
                    Scenario.SPIKE, "Few users, suddenly many, few again.",
                    Scenario.TENANTS, "Tenants that want the same, and a greedy one.",
                    Scenario.LONG_PROMPTS, "Short prompts, and long ones among them.",
                    Scenario.HOSTILE, "Equal load, beside clients that read slowly or go away.",
                    Scenario.SOAK,
                            "Equal load for long, beside clients that do everything wrong, while keys and certificates change."));

    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec = CommandLine.Model.CommandSpec.create();

    /** Runs a command line and exits with its status. */
    public static void main(String[] args) {
        System.exit(commands().execute(args));
    }

    static CommandLine commands() {
        CommandLine commands = new CommandLine(new Main());
        for (Scenario scenario : Scenario.values()) {
            boolean faults = scenario == Scenario.HOSTILE || scenario == Scenario.SOAK;
            CommandLine command = new CommandLine(faults ? new FaultCommand(scenario) : new ScenarioCommand(scenario));
            command.getCommandSpec().usageMessage().description(DESCRIPTIONS.getOrDefault(scenario, ""));
            commands.addSubcommand(scenario.label(), command);
        }
        commands.addSubcommand(new OpenLoopCommand());
        commands.setCaseInsensitiveEnumValuesAllowed(true);
        commands.setUsageHelpAutoWidth(true);
        commands.setExecutionExceptionHandler((e, command, parsed) -> failed(e, command));
        return commands;
    }

    private static int failed(Exception e, CommandLine command) {
        boolean expected = e instanceof IOException || e instanceof IllegalArgumentException;
        if (expected && System.getenv("APUS_DEBUG") == null) {
            command.getErr().println("apus loadtest: " + e.getMessage());
        } else {
            e.printStackTrace(command.getErr());
        }
        command.getErr().flush();
        return e instanceof IllegalArgumentException
                ? command.getCommandSpec().exitCodeOnInvalidInput()
                : command.getCommandSpec().exitCodeOnExecutionException();
    }

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
