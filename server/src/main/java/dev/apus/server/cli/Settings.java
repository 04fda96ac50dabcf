package dev.apus.server.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/**
 * Defaults of options from the environment and a YAML file, under the options' own names: {@code --max-model-len} is
 * {@code APUS_MAX_MODEL_LEN}, and {@code max-model-len} or {@code max_model_len} in the file; the model is {@code APUS_MODEL} and
 * {@code model}.
 */
final class Settings implements IDefaultValueProvider {
    private static final String PREFIX = "APUS_";
    private static final String CONFIG_OPTION = "--config";
    private static final String MODEL = "model";
    /** Options that make no sense in a file. */
    private static final Set<String> IN_NO_FILE = Set.of("config", "help", "version");
    /** Variables of ours that are no options. */
    private static final Set<String> OTHER_VARIABLES = Set.of(
            "APUS_CACHE",
            "APUS_CONFIG",
            "APUS_CUDA_PATH",
            "APUS_DEBUG",
            "APUS_JAVA_OPTS",
            "APUS_LOG_LEVEL",
            "APUS_MODEL",
            Restart.ADMIN_PORT,
            Restart.AT,
            Restart.PORT,
            "APUS_TEST_PYTHON");

    private final Map<String, String> environment;
    private final Map<String, String> file;
    private final String fileName;

    private Settings(Map<String, String> environment, Map<String, String> file, String fileName) {
        this.environment = environment;
        this.file = file;
        this.fileName = fileName;
    }

    /**
     * Reads the file that {@code --config} in the arguments or {@code APUS_CONFIG} names, if any.
     *
     * @throws IllegalArgumentException if it cannot be read or is not a flat map
     */
    static Settings read(Map<String, String> environment, String... args) {
        String name = environment.get(PREFIX + "CONFIG");
        for (int i = 0; i < args.length; i++) {
            if (args[i].equals(CONFIG_OPTION) && i + 1 < args.length) {
                name = args[i + 1];
            } else if (args[i].startsWith(CONFIG_OPTION + "=")) {
                name = args[i].substring(CONFIG_OPTION.length() + 1);
            }
        }
        return name == null
                ? new Settings(environment, Map.of(), "")
                : new Settings(environment, readFile(Path.of(name)), name);
    }

    private static Map<String, String> readFile(Path path) {
        JsonNode root;
        try {
            root = new YAMLMapper().readTree(Files.readString(path));
        } catch (NoSuchFileException e) {
            throw new IllegalArgumentException(CONFIG_OPTION + " " + path + ": there is no such file", e);
        } catch (IOException e) {
            throw new IllegalArgumentException(CONFIG_OPTION + " " + path + " cannot be read: " + e, e);
        } catch (JacksonException e) {
            throw new IllegalArgumentException(
                    CONFIG_OPTION + " " + path + " is no valid YAML: " + e.getOriginalMessage(), e);
        }
        Map<String, String> values = new TreeMap<>();
        if (root.isMissingNode() || root.isNull()) {
            return values;
        }
        if (!root.isObject()) {
            throw new IllegalArgumentException(
                    CONFIG_OPTION + " " + path + " must hold keys and values, as in 'port: 8000'");
        }
        root.properties().forEach(entry -> {
            JsonNode value = entry.getValue();
            if (!value.isValueNode() || value.isNull()) {
                throw new IllegalArgumentException(CONFIG_OPTION + " " + path + ": the value of '" + entry.getKey()
                        + "' must be a string, a number or a boolean");
            }
            if (values.put(entry.getKey().replace('_', '-'), value.asString()) != null) {
                throw new IllegalArgumentException(
                        CONFIG_OPTION + " " + path + ": '" + entry.getKey() + "' is there twice");
            }
        });
        return values;
    }

    /**
     * Refuses keys of the file that are no options of {@code serve} or the command that runs, and warns of variables that nobody knows:
     * the environment may be shared with other programs.
     *
     * @param running the command that runs, or all
     * @param all all commands; asked only if {@code running} leaves something open, since making them takes time
     * @throws IllegalArgumentException naming the key and those that are known
     */
    void checkKeys(Supplier<CommandLine> running, Supplier<CommandLine> all, PrintWriter warnings) {
        Set<String> given = new TreeSet<>();
        environment.keySet().stream()
                .filter(name -> name.startsWith(PREFIX) && !OTHER_VARIABLES.contains(name))
                .forEach(given::add);
        if (file.isEmpty() && given.isEmpty()) {
            return;
        }
        Set<String> known = keys(running.get());
        CommandLine serve = all.get().getSubcommands().get("serve");
        known.addAll(serve == null ? Set.of() : keys(serve));
        for (String key : file.keySet()) {
            if (!known.contains(key)) {
                known.removeAll(IN_NO_FILE);
                throw new IllegalArgumentException(
                        CONFIG_OPTION + " " + fileName + ": unknown key '" + key + "'; known are " + known);
            }
        }
        known.addAll(keys(all.get()));
        given.removeIf(name -> known.contains(key(name)));
        given.forEach(name -> warnings.println("apus: warning: " + name
                + " is set, which is no setting of apus and has no effect" + nearest(name, known)));
        warnings.flush();
    }

    private static Set<String> keys(CommandLine command) {
        Set<String> keys = new TreeSet<>(Set.of(MODEL));
        command.getCommandSpec().options().forEach(option -> keys.add(key(option)));
        command.getSubcommands().values().forEach(sub -> keys.addAll(keys(sub)));
        return keys;
    }

    private static String key(String variable) {
        return variable.substring(PREFIX.length()).replace('_', '-').toLowerCase(Locale.ROOT);
    }

    private static String variable(String key) {
        return PREFIX + key.replace('-', '_').toUpperCase(Locale.ROOT);
    }

    /** A known setting with the same letters but for a slip. */
    private static String nearest(String name, Set<String> known) {
        String letters = sorted(key(name));
        return known.stream()
                .filter(key -> sorted(key).equals(letters))
                .findFirst()
                .map(key -> "; did you mean " + variable(key) + "?")
                .orElse("");
    }

    private static String sorted(String text) {
        return text.chars().sorted().mapToObj(Character::toString).collect(Collectors.joining());
    }

    /** Where a refused value came from if it was not the command line {@code args}, in brackets. */
    String origin(ParameterException e, String... args) {
        ArgSpec argument = e.getArgSpec();
        if (argument == null || Stream.of(args).anyMatch(given -> isFor(argument, given))) {
            return "";
        }
        String key = key(argument);
        if (environment.containsKey(variable(key))) {
            return " (from the environment: " + variable(key) + ")";
        }
        return file.containsKey(key) ? " (from " + fileName + ": " + key + ")" : "";
    }

    private static boolean isFor(ArgSpec argument, String given) {
        return argument instanceof OptionSpec option
                && Stream.of(option.names()).anyMatch(name -> given.equals(name) || given.startsWith(name + "="));
    }

    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
        String key = key(argument);
        if (key.equals("help") || key.equals("version") || key.isEmpty()) {
            return null;
        }
        String set = environment.get(variable(key));
        if (set == null && key.equals("api-key") && !file.containsKey(key)) {
            // The name under which deployments of vLLM have it.
            return environment.get("VLLM_API_KEY");
        }
        return set != null ? set : file.get(key);
    }

    private static String key(ArgSpec argument) {
        if (argument instanceof OptionSpec option) {
            return option.longestName().replaceFirst("^--?(\\[no-])?", "");
        }
        return argument.paramLabel().equals("MODEL") ? MODEL : "";
    }
}
