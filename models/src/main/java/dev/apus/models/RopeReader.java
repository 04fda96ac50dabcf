package dev.apus.models;

import java.util.Map;

/** Reads rotary settings in both styles: {@code rope_theta} with {@code rope_scaling}, and transformers 5's {@code rope_parameters}. */
final class RopeReader {
    /** Above it a frequency is zero in float32. */
    private static final double MAX_THETA = 1e15;

    private static final double MAX_FACTOR = 1e6;

    private final ConfigReader keys;
    private final int headDim;
    private final int maxPositions;

    RopeReader(ConfigReader keys, int headDim, int maxPositions) {
        this.keys = keys;
        this.headDim = headDim;
        this.maxPositions = maxPositions;
    }

    /**
     * The rotary embedding of a kind of layer.
     *
     * @param layerType {@code full_attention} or {@code sliding_attention}: used where rope_parameters has an object per kind
     * @param theta the base if the file gives none
     * @param partial share of a head that is rotated if the file does not say
     * @param interleaved order of pairs, which no file says
     */
    DecoderConfig.Rope read(String layerType, double theta, double partial, boolean interleaved) {
        ConfigReader scaling = settings(layerType);
        double share = scaling.real("partial_rotary_factor", 0, 1, keys.real("partial_rotary_factor", 0, 1, partial));
        return rotating(
                layerType,
                theta,
                keys.integer("rope.dimension_count", 2, headDim, (int) (headDim * share)),
                interleaved);
    }

    private DecoderConfig.Rope rotating(String layerType, double theta, int dim, boolean interleaved) {
        ConfigReader scaling = settings(layerType);
        double base = scaling.real("rope_theta", 1, MAX_THETA, keys.real("rope_theta", 1, MAX_THETA, theta));
        if (dim < 2 || dim % 2 != 0) {
            throw keys.fault(
                    "partial_rotary_factor",
                    "a share of head_dim " + headDim + " that is an even number of at least 2, not " + dim);
        }
        if (kind(scaling).equals("dynamic") && dim > 2) { // HunYuan's alpha: NTK by a fixed factor
            base *= Math.pow(scaling.real("alpha", 1, MAX_FACTOR, 1), dim / (dim - 2.0));
        }
        return new DecoderConfig.Rope(dim, interleaved, base, scaling(scaling, dim));
    }

    /**
     * The same for architectures that rotate whole heads: as in transformers, a {@code partial_rotary_factor} in the file means nothing
     * to them.
     */
    DecoderConfig.Rope whole(String layerType, double theta, boolean interleaved) {
        return rotating(layerType, theta, keys.integer("rope.dimension_count", 2, headDim, headDim), interleaved);
    }

    /** The same without scaling: the local layers of Gemma 3. */
    DecoderConfig.Rope plain(double theta, boolean interleaved) {
        return new DecoderConfig.Rope(headDim, interleaved, theta, new RopeScaling.None());
    }

    /** Whether rope_parameters has an object of its own for that kind of layer. */
    boolean hasOwn(String layerType) {
        ConfigReader parameters = keys.object("rope_parameters");
        return parameters != null && parameters.value(layerType) instanceof Map;
    }

    private ConfigReader settings(String layerType) {
        ConfigReader parameters = keys.object("rope_parameters");
        if (parameters != null && parameters.value(layerType) instanceof Map) {
            parameters = parameters.object(layerType);
        }
        if (parameters == null) {
            parameters = keys.object("rope_scaling");
        }
        return parameters == null ? new ConfigReader(keys.where(), Map.of(), Map.of()) : parameters;
    }

    private static String kindKey(ConfigReader s) {
        return s.has("rope_type") ? "rope_type" : "type";
    }

    private static String kind(ConfigReader s) {
        return s.text(kindKey(s), "default");
    }

    private RopeScaling scaling(ConfigReader s, int dim) {
        return switch (kind(s)) {
            case "default", "none" -> new RopeScaling.None();
            case "linear" -> new RopeScaling.Linear(s.real("factor", 1, MAX_FACTOR));
            // the base is rescaled for sequences beyond max_position_embeddings only, and none gets longer here
            case "dynamic" -> {
                s.real("factor", 1, MAX_FACTOR, 1);
                yield new RopeScaling.None();
            }
            case "llama3" -> llama3(s);
            case "yarn" -> yarn(s);
            case "longrope", "su" -> longRope(s, dim);
            default -> throw s.fault(kindKey(s), "one of default, linear, dynamic, llama3, yarn, longrope, su");
        };
    }

    private int originalPositions(ConfigReader s) {
        return s.integer(
                "original_max_position_embeddings",
                2,
                1 << 30,
                keys.integer("original_max_position_embeddings", 2, 1 << 30, maxPositions));
    }

    private RopeScaling llama3(ConfigReader s) {
        double low = s.real("low_freq_factor", 1e-6, MAX_FACTOR);
        double high = s.real("high_freq_factor", 1e-6, MAX_FACTOR);
        if (high <= low) {
            throw s.fault("high_freq_factor", "above low_freq_factor " + low);
        }
        return new RopeScaling.Llama3(s.real("factor", 1, MAX_FACTOR), low, high, originalPositions(s));
    }

    private RopeScaling yarn(ConfigReader s) {
        int original = originalPositions(s);
        double factor = s.real("factor", 1, MAX_FACTOR, Math.max(1, (double) maxPositions / original));
        double mscale = s.real("mscale", 0, 1000, 0);
        double mscaleAll = s.real("mscale_all_dim", 0, 1000, 0);
        double attention = mscale != 0 && mscaleAll != 0
                ? yarnScale(factor, mscale) / yarnScale(factor, mscaleAll)
                : yarnScale(factor, 1);
        double fast = s.real("beta_fast", 0, MAX_FACTOR, 32);
        double slow = s.real("beta_slow", 0, MAX_FACTOR, 1);
        return new RopeScaling.Yarn(
                factor,
                fast == 0 ? 32 : fast, // transformers takes 0 for absent
                slow == 0 ? 1 : slow,
                original,
                s.real("attention_factor", 1e-6, MAX_FACTOR, attention * s.real("attention_multiplier", 1e-6, 1e6, 1)),
                s.flag("truncate", true));
    }

    private static double yarnScale(double factor, double mscale) {
        return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
    }

    private RopeScaling longRope(ConfigReader s, int dim) {
        int original = originalPositions(s);
        double factor = s.real("factor", 0, MAX_FACTOR, (double) maxPositions / original);
        double attention = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        return new RopeScaling.LongRope(
                s.positives("short_factor", dim / 2),
                s.positives("long_factor", dim / 2),
                original,
                s.real("attention_factor", 1e-6, MAX_FACTOR, attention));
    }
}
