package dev.apus.models;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * An architecture as data: the names it answers to, what it sets apart from Llama, its tensor names.
 *
 * @param name our name, which messages use
 * @param classes names in config.json's {@code architectures}
 * @param ggufNames values of GGUF's {@code general.architecture}
 * @param aliases keys of its config.json that differ from Llama's: Llama's name to its own
 * @param switches sets what differs from Llama; called once per model
 * @param names tensors of its Hugging Face checkpoints
 * @param loraTargets last parts of the names of the modules that adapters usually change
 */
record Architecture(
        String name,
        List<String> classes,
        List<String> ggufNames,
        Map<String, String> aliases,
        Consumer<Switches> switches,
        TensorNames names,
        List<String> loraTargets) {
    /** The modules of Llama that adapters change. */
    static final List<String> LLAMA_TARGETS =
            List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

    Architecture {
        classes = List.copyOf(classes);
        ggufNames = List.copyOf(ggufNames);
        aliases = Map.copyOf(aliases);
        loraTargets = List.copyOf(loraTargets);
    }

    /** An architecture whose config keys, tensor names and adapter targets are Llama's. */
    static Architecture likeLlama(
            String name, List<String> classes, List<String> ggufNames, Consumer<Switches> switches) {
        return new Architecture(name, classes, ggufNames, Map.of(), switches, TensorNames.llama(), LLAMA_TARGETS);
    }

    /** The model's switches by a config.json. */
    DecoderConfig config(ConfigReader keys) {
        Switches s = new Switches(aliases.isEmpty() ? keys : keys.withAliases(aliases), false);
        switches.accept(s);
        return s.build(name, names);
    }

    /** The model's switches by GGUF metadata under Hugging Face's names. */
    DecoderConfig ggufConfig(ConfigReader keys) {
        Switches s = new Switches(keys, true);
        switches.accept(s);
        return s.build(name, s.ggufNames);
    }
}
