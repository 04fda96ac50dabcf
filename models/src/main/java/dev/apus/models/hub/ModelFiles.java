package dev.apus.models.hub;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Which files of a repository, a folder or a package make up a model: by their names alone. */
final class ModelFiles {
    /** The index of a sharded checkpoint. */
    static final String INDEX = "model.safetensors.index.json";

    /** The whole checkpoint in one file. */
    static final String SINGLE = "model.safetensors";

    /**
     * What is taken where a repository has several GGUF files and the user named none: the usual trade of size for quality first
     * (as llama.cpp chooses), then the formats nearest to it that every engine reads, then larger and smaller ones.
     */
    static final List<String> PREFERRED = List.of(
            "Q4_K_M", "Q4_0", "Q8_0", "Q4_K_S", "Q4_1", "Q5_K_M", "Q5_K_S", "Q6_K", "Q5_0", "Q5_1", "IQ4_NL", "IQ4_XS",
            "Q3_K_M", "BF16", "F16");

    private static final Pattern SPLIT = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

    /** Choices that a message lists: all of a usual repository, about a screen of them. */
    private static final int MAX_LISTED = 40;

    /** Names that are data for training or tools, not for running the model. */
    private static final Set<String> UNUSED_JSON =
            Set.of("trainer_state.json", "all_results.json", "train_results.json", "eval_results.json", "params.json");

    private static final Set<String> PLAIN_FILES = Set.of("merges.txt", "vocab.txt", "1_Pooling/config.json");

    private ModelFiles() {}

    /** Whether a file is one of the small ones beside the weights: configuration, tokenizer, chat template. */
    static boolean isSideFile(String path) {
        String name = Names.base(path);
        if (PLAIN_FILES.contains(path)) {
            return true;
        }
        if (path.startsWith("additional_chat_templates/")) {
            return name.endsWith(".jinja");
        }
        if (path.indexOf('/') >= 0) {
            return false;
        }
        return (name.endsWith(".json") && !name.endsWith(".index.json") && !UNUSED_JSON.contains(name))
                || name.endsWith(".jinja")
                || name.endsWith(".tiktoken")
                || name.endsWith(".model");
    }

    /**
     * The safetensors files to take where there is no index: {@code model.safetensors}, else all at the top but
     * {@code consolidated*}, the same weights in their author's own layout.
     */
    static List<String> plainSafetensors(Collection<String> paths) {
        if (paths.contains(SINGLE)) {
            return List.of(SINGLE);
        }
        return paths.stream()
                .filter(p -> p.endsWith(".safetensors") && p.indexOf('/') < 0 && !p.startsWith("consolidated"))
                .sorted()
                .toList();
    }

    /** Whether a file can be a GGUF model by itself; projectors and importance matrices only go with one. */
    static boolean isGguf(String path) {
        String name = Names.base(path).toLowerCase(Locale.ROOT);
        return name.endsWith(".gguf") && !name.contains("mmproj") && !name.contains("imatrix");
    }

    /** The GGUF models among {@code paths}: name without split suffix and ending to its parts in order. */
    static Map<String, List<String>> ggufModels(Collection<String> paths) {
        Map<String, List<String>> models = new TreeMap<>();
        for (String path : paths) {
            if (isGguf(path)) {
                Matcher split = SPLIT.matcher(path);
                String key = split.matches() ? split.group(1) : path.substring(0, path.length() - ".gguf".length());
                models.computeIfAbsent(key, k -> new ArrayList<>()).add(path);
            }
        }
        models.values().forEach(parts -> parts.sort(null));
        return models;
    }

    /** How many parts the GGUF model of which {@code path} is one has. */
    static int partsOf(String path) {
        Matcher split = SPLIT.matcher(path);
        return split.matches() ? Integer.parseInt(split.group(3)) : 1;
    }

    /**
     * The parts of the one GGUF model to use: the named one, else the only one, else the first of {@link #PREFERRED} there is.
     *
     * @param variant a quantisation or a file's name or path, or null
     * @throws HubException if {@code paths} has none such or several; the message lists the choices
     */
    static List<String> chooseGguf(String where, Collection<String> paths, @Nullable String variant) {
        Map<String, List<String>> models = ggufModels(paths);
        if (models.isEmpty()) {
            throw new HubException(
                    where + " has no GGUF file" + (variant == null ? "" : ", so no " + Names.quote(variant)));
        }
        if (variant != null) {
            List<String> found = models.keySet().stream()
                    .filter(key -> isVariant(key, variant))
                    .toList();
            if (found.size() == 1) {
                return Objects.requireNonNull(models.get(found.getFirst()));
            }
            throw new HubException(where + " has " + (found.isEmpty() ? "no" : "more than one") + " GGUF model "
                    + Names.quote(variant) + "; there are " + list(found.isEmpty() ? models.keySet() : found));
        }
        if (models.size() == 1) {
            return models.values().iterator().next();
        }
        for (String quant : PREFERRED) {
            List<String> found = models.keySet().stream()
                    .filter(key -> isVariant(key, quant))
                    .toList();
            if (found.size() == 1) {
                return Objects.requireNonNull(models.get(found.getFirst()));
            }
        }
        throw new HubException(where + " has several GGUF models and none is the obvious one; name one behind a colon: "
                + list(models.keySet()));
    }

    /** Up to forty names, with a count of the rest. */
    static String list(Collection<String> names) {
        String shown =
                names.stream().sorted().limit(MAX_LISTED).map(Names::quote).collect(Collectors.joining(", "));
        return names.size() <= MAX_LISTED ? shown : shown + " and " + (names.size() - MAX_LISTED) + " more";
    }

    /** Whether the model {@code key} is called {@code variant} as a path, a file name, or by the quantisation at its end. */
    private static boolean isVariant(String key, String variant) {
        String wanted = variant.toLowerCase(Locale.ROOT);
        if (wanted.endsWith(".gguf")) {
            Matcher split = SPLIT.matcher(wanted);
            wanted = split.matches() ? split.group(1) : wanted.substring(0, wanted.length() - ".gguf".length());
            String path = key.toLowerCase(Locale.ROOT);
            return path.equals(wanted) || Names.base(path).equals(wanted);
        }
        String name = Names.base(key).toLowerCase(Locale.ROOT);
        if (!name.endsWith(wanted)) {
            return false;
        }
        int before = name.length() - wanted.length() - 1;
        // a delimiter before it, so that "Q4_0" does not find "IQ4_0"
        return before < 0 || "-._".indexOf(name.charAt(before)) >= 0;
    }
}
