package dev.apus.server.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
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

    /** Whether a file was named. */
    boolean hasFile() {
        return !fileName.isEmpty();
    }

    /**
     * Refuses keys of the file that no command knows.
     *
     * @throws IllegalArgumentException naming the key and those that are known
     */
    void checkKeys(CommandLine commands) {
        TreeSet<String> known = new TreeSet<>();
        known.add(MODEL);
        for (CommandLine command : commands.getSubcommands().values()) {
            command.getCommandSpec().options().forEach(option -> known.add(key(option)));
        }
        for (String key : file.keySet()) {
            if (!known.contains(key)) {
                throw new IllegalArgumentException(
                        CONFIG_OPTION + " " + fileName + ": unknown key '" + key + "'; known are " + known);
            }
        }
    }

    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
        String key = key(argument);
        if (key.equals("help") || key.equals("version") || key.isEmpty()) {
            return null;
        }
        String set = environment.get(PREFIX + key.replace('-', '_').toUpperCase(Locale.ROOT));
        return set != null ? set : file.get(key);
    }

    private static String key(ArgSpec argument) {
        if (argument instanceof OptionSpec option) {
            return option.longestName().replaceFirst("^--?(\\[no-])?", "");
        }
        return argument.paramLabel().equals("MODEL") ? MODEL : "";
    }
}
