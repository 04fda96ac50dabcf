package dev.apus.models;

import dev.apus.kernels.HostTensor;
import dev.apus.loaders.CheckpointException;
import dev.apus.loaders.GgufFile;
import java.util.ArrayList;
import java.util.List;

/** From a configuration's keys to the decoder's switches. */
final class ConfigFiles {
    private ConfigFiles() {}

    /** The switches that a config.json describes. */
    static DecoderConfig config(ConfigReader keys) {
        ConfigReader quantization = keys.object("quantization_config");
        if (quantization != null) {
            throw new CheckpointException(keys.where() + ": the checkpoint is quantised by "
                    + ConfigReader.quote(quantization.value("quant_method"))
                    + " (quantization_config), which cannot be loaded; use the unquantised model or a GGUF file");
        }
        List<?> names = keys.list("architectures");
        if (names == null || names.isEmpty()) {
            throw keys.fault("architectures", "a list with the name of the model's class");
        }
        return new Architectures().ofClass(keys.where(), names).config(keys);
    }

    /** The switches that GGUF metadata describe. */
    static DecoderConfig config(GgufFile file) {
        ConfigReader plain = new ConfigReader(file.description(), file.metadata(), java.util.Map.of());
        if (!plain.has("general.architecture")) {
            throw plain.fault("general.architecture", "the name of an architecture");
        }
        String name = plain.text("general.architecture", "");
        DecoderConfig config =
                new Architectures().ofGguf(file.description(), name).ggufConfig(GgufKeys.reader(file, name));
        return file.contains("rope_freqs.weight") ? withDivisors(config, file) : config;
    }

    /** The rotary frequencies divided by what the file holds: converters work Llama 3's scaling out beforehand. */
    private static DecoderConfig withDivisors(DecoderConfig config, GgufFile file) {
        HostTensor tensor = file.tensor("rope_freqs.weight");
        List<DecoderConfig.Rope> ropes = new ArrayList<>();
        for (DecoderConfig.Rope rope : config.ropes()) {
            if (tensor.elements() != rope.dim() / 2) {
                throw new CheckpointException(file.description() + ": tensor 'rope_freqs.weight' is " + tensor
                        + "; half the rotated dimensions, " + rope.dim() / 2 + " values, are needed");
            }
            double[] factors = GgufKeys.floats(file, "rope_freqs.weight").stream()
                    .mapToDouble(value -> (Double) value)
                    .toArray();
            for (double factor : factors) {
                if (!(factor > 0) || Double.isInfinite(factor)) {
                    throw new CheckpointException(file.description() + ": tensor 'rope_freqs.weight' holds " + factor
                            + "; divisors above 0 are needed");
                }
            }
            ropes.add(new DecoderConfig.Rope(
                    rope.dim(), rope.interleaved(), rope.theta(), new RopeScaling.Divisors(factors)));
        }
        return config.withRopes(ropes);
    }
}
