package dev.apus.models;

import dev.apus.loaders.CheckpointException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Function;

/** The architectures that the decoder runs. */
final class Architectures {
    private final List<Architecture> all = new ArrayList<>();

    Architectures() {
        all.addAll(LlamaArchitectures.all());
        all.addAll(GemmaArchitectures.all());
        all.addAll(MistralArchitectures.all());
        all.addAll(QwenArchitectures.all());
        all.addAll(PhiArchitectures.all());
        all.addAll(GlmArchitectures.all());
        all.addAll(InternLmArchitectures.all());
        all.addAll(OlmoArchitectures.all());
        all.addAll(GraniteArchitectures.all());
        all.addAll(LayerNormArchitectures.all());
    }

    /** The architecture of a config.json's {@code architectures}. */
    Architecture ofClass(String where, List<?> names) {
        for (Object name : names) {
            for (Architecture architecture : all) {
                if (architecture.classes().contains(String.valueOf(name))) {
                    return architecture;
                }
            }
        }
        throw unknown(where + ": 'architectures'", names, Architecture::classes);
    }

    /** The architecture of a GGUF file's {@code general.architecture}. */
    Architecture ofGguf(String where, String name) {
        for (Architecture architecture : all) {
            if (architecture.ggufNames().contains(name)) {
                return architecture;
            }
        }
        throw unknown(where + ": 'general.architecture'", name, Architecture::ggufNames);
    }

    private CheckpointException unknown(String where, Object found, Function<Architecture, List<String>> names) {
        TreeSet<String> known = new TreeSet<>();
        all.forEach(architecture -> known.addAll(names.apply(architecture)));
        return new CheckpointException(
                where + " is " + ConfigReader.quote(found) + "; supported are " + String.join(", ", known));
    }
}
