package dev.apus.models;

import dev.apus.kernels.Activation;
import dev.apus.kernels.AttentionShape;
import dev.apus.models.EncoderConfig.Scoring;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The encoders: the names they answer to and what their config.json says. */
final class EncoderArchitectures {
    private static final String CLASSIFIER = "ForSequenceClassification";
    /** Sizes beyond are damaged or hostile files. */
    private static final int MOST = 1 << 24;
    /** Labels beyond make no classifier that anybody trained. */
    private static final int MOST_LABELS = 100_000;

    private EncoderArchitectures() {}

    private enum Family {
        BERT,
        ROBERTA,
        DISTILBERT;

        /** What the names of the family's classes begin with. */
        List<String> prefixes() {
            return switch (this) {
                case BERT -> List.of("Bert");
                case ROBERTA -> List.of("Roberta", "XLMRoberta", "Camembert");
                case DISTILBERT -> List.of("DistilBert");
            };
        }

        boolean answersTo(String name) {
            return prefixes().stream()
                    .anyMatch(prefix -> List.of(prefix + "Model", prefix + "ForMaskedLM", prefix + CLASSIFIER)
                            .contains(name));
        }

        EncoderNames names() {
            return switch (this) {
                case BERT -> EncoderNames.bert();
                case ROBERTA -> EncoderNames.roberta();
                case DISTILBERT -> EncoderNames.distilBert();
            };
        }
    }

    /** Whether a config.json is an encoder's. */
    static boolean isEncoder(ConfigReader keys) {
        List<?> names = keys.list("architectures");
        return names != null && names.stream().anyMatch(EncoderArchitectures::isKnown);
    }

    private static boolean isKnown(Object name) {
        for (Family family : Family.values()) {
            if (family.answersTo(String.valueOf(name))) {
                return true;
            }
        }
        return false;
    }

    private static String className(ConfigReader keys) {
        List<?> names = keys.list("architectures");
        for (Object name : names == null ? List.of() : names) {
            if (isKnown(name)) {
                return String.valueOf(name);
            }
        }
        throw keys.fault("architectures", "a list with the class of a BERT, RoBERTa, XLM-RoBERTa or DistilBERT model");
    }

    private static Family family(String className) {
        for (Family family : Family.values()) {
            if (family.answersTo(className)) {
                return family;
            }
        }
        throw new IllegalArgumentException(className);
    }

    static EncoderNames names(ConfigReader keys) {
        return family(className(keys)).names();
    }

    /** The switches that a config.json describes. */
    static EncoderConfig config(ConfigReader keys) {
        String className = className(keys);
        Family family = family(className);
        ConfigReader own = family == Family.DISTILBERT
                ? keys.withAliases(Map.of(
                        "hidden_size", "dim",
                        "num_hidden_layers", "n_layers",
                        "num_attention_heads", "n_heads",
                        "intermediate_size", "hidden_dim",
                        "hidden_act", "activation"))
                : keys;
        if (!own.text("position_embedding_type", "absolute").equals("absolute")) {
            throw own.fault("position_embedding_type", "'absolute'");
        }
        int hidden = own.integer("hidden_size", 1, MOST);
        int heads = own.integer("num_attention_heads", 1, MOST);
        if (hidden % heads != 0) {
            throw own.fault("num_attention_heads", "a divisor of hidden_size " + hidden);
        }
        int headDim = hidden / heads;
        int offset = family == Family.ROBERTA ? own.integer("pad_token_id", 0, MOST, 1) + 1 : 0;
        int rows = own.integer("max_position_embeddings", offset + 1, MOST);
        return new EncoderConfig(
                family.name().toLowerCase(Locale.ROOT),
                own.integer("vocab_size", 1, MOST),
                hidden,
                own.integer("num_hidden_layers", 1, 10_000),
                new AttentionShape(heads, heads, headDim, (float) (1 / Math.sqrt(headDim)), 0, 0, true),
                own.integer("intermediate_size", 1, MOST),
                activation(own),
                family == Family.DISTILBERT ? 1e-12f : (float) own.real("layer_norm_eps", 0, 1, 1e-12),
                rows,
                offset,
                family == Family.DISTILBERT ? 0 : own.integer("type_vocab_size", 0, 1024, 2),
                className.endsWith(CLASSIFIER) ? head(own) : null);
    }

    private static Activation activation(ConfigReader keys) {
        return switch (keys.text("hidden_act", "gelu")) {
            case "gelu" -> Activation.GELU;
            case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> Activation.GELU_TANH;
            case "relu" -> Activation.RELU;
            case "silu", "swish" -> Activation.SILU;
            default -> throw keys.fault("hidden_act", "gelu, gelu_new, gelu_pytorch_tanh, relu or silu");
        };
    }

    private static EncoderConfig.Head head(ConfigReader keys) {
        ConfigReader names = keys.object("id2label");
        int count = keys.integer("num_labels", 1, MOST_LABELS, names == null ? 2 : names.size());
        List<String> labels = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String absent = "LABEL_" + i;
            labels.add(names == null ? absent : names.text(Integer.toString(i), absent));
        }
        return new EncoderConfig.Head(labels, scoring(keys, count));
    }

    /** A cross-encoder's own function if its config.json names one, else what transformers' pipeline takes. */
    private static Scoring scoring(ConfigReader keys, int labels) {
        ConfigReader sentences = keys.object("sentence_transformers");
        String key = "sbert_ce_default_activation_function";
        String named = sentences != null && sentences.has("activation_fn")
                ? sentences.text("activation_fn", "")
                : keys.text(key, "");
        String simple = named.substring(named.lastIndexOf('.') + 1);
        boolean multiLabel = keys.text("problem_type", "").equals("multi_label_classification");
        return switch (simple) {
            case "" -> labels == 1 || multiLabel ? Scoring.SIGMOID : Scoring.SOFTMAX;
            case "Identity" -> Scoring.IDENTITY;
            case "Sigmoid" -> Scoring.SIGMOID;
            default ->
                throw (sentences == null ? keys : sentences)
                        .fault(sentences == null ? key : "activation_fn", "an Identity or a Sigmoid");
        };
    }
}
