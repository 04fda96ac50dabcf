package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A decoder that can run one token at a time: its steps in order, and from where on all tokens are one string.
 *
 * @param steps the steps
 */
record DecodePlan(List<DecodeStep> steps) {
    DecodePlan {
        steps = List.copyOf(steps);
    }

    /** Reads a decoder of {@code tokenizer.json}; null if it holds a step that cannot run, or not in its place, one token at a time. */
    static @Nullable DecodePlan parse(@Nullable JsonNode decoder) {
        if (decoder == null || decoder.isNull()) {
            return new DecodePlan(List.of(new DecodeStep.Spaced()));
        }
        List<DecodeStep> steps = new ArrayList<>();
        if (!add(decoder, steps)) {
            return null;
        }
        boolean fused = false;
        for (DecodeStep step : steps) {
            if (fused && !runsOnFragments(step)) {
                return null;
            }
            fused |= step instanceof DecodeStep.ByteLevel || step instanceof DecodeStep.Fuse;
        }
        return new DecodePlan(steps);
    }

    private static boolean runsOnFragments(DecodeStep step) {
        return switch (step) {
            case DecodeStep.Fuse _, DecodeStep.Strip _ -> true;
            case DecodeStep.Replace(String pattern, String _) -> oneCharacter(pattern);
            case DecodeStep.Metaspace(String replacement, boolean _) -> oneCharacter(replacement);
            case DecodeStep.WordPiece(String _, boolean cleanup) -> !cleanup;
            case DecodeStep.ByteLevel _, DecodeStep.ByteFallback _, DecodeStep.WordSuffix _, DecodeStep.Spaced _ ->
                false;
        };
    }

    private static boolean oneCharacter(String text) {
        return !text.isEmpty() && text.codePointCount(0, text.length()) == 1;
    }

    private static boolean add(JsonNode node, List<DecodeStep> steps) {
        String type = node.path("type").asString("");
        if (type.equals("Sequence")) {
            boolean known = true;
            for (JsonNode step : node.path("decoders")) {
                known &= add(step, steps);
            }
            return known;
        }
        DecodeStep step = step(type, node);
        return step != null && steps.add(step);
    }

    private static @Nullable DecodeStep step(String type, JsonNode node) {
        return switch (type) {
            case "ByteLevel" -> new DecodeStep.ByteLevel();
            case "ByteFallback" -> new DecodeStep.ByteFallback();
            case "Fuse" -> new DecodeStep.Fuse();
            case "Strip" -> strip(node);
            case "Replace" -> {
                String pattern = node.path("pattern").path("String").asString("");
                yield pattern.isEmpty()
                        ? null
                        : new DecodeStep.Replace(pattern, node.path("content").asString(""));
            }
            case "Metaspace" -> {
                String scheme = node.has("prepend_scheme")
                        ? node.path("prepend_scheme").asString("always")
                        : node.path("add_prefix_space").asBoolean(true) ? "always" : "never";
                yield new DecodeStep.Metaspace(node.path("replacement").asString("\u2581"), !scheme.equals("never"));
            }
            case "WordPiece" ->
                new DecodeStep.WordPiece(
                        node.path("prefix").asString("##"), node.path("cleanup").asBoolean(true));
            case "BPEDecoder" -> {
                String suffix = node.path("suffix").asString("</w>");
                yield suffix.isEmpty() ? null : new DecodeStep.WordSuffix(suffix);
            }
            default -> null;
        };
    }

    private static @Nullable DecodeStep strip(JsonNode node) {
        String content = node.path("content").asString(" ");
        return oneCharacter(content)
                ? new DecodeStep.Strip(
                        content.codePointAt(0),
                        node.path("start").asInt(0),
                        node.path("stop").asInt(0))
                : null;
    }

    /** The bytes that a token stands for in the middle of a text. */
    byte[] bytes(String token) {
        String text = token;
        for (DecodeStep step : steps) {
            if (step instanceof DecodeStep.ByteLevel) {
                return ByteAlphabet.read(text);
            }
            int value = step instanceof DecodeStep.ByteFallback ? DecodeStep.ByteFallback.value(text) : -1;
            if (value >= 0) {
                return new byte[] {(byte) value};
            }
            text = step.middle(text);
        }
        return DecodeStep.utf8(text);
    }

    /** Opens the chain for one sequence; text comes out of {@code out}. */
    DecodeStage open(StringBuilder out) {
        int fusedFrom = steps.size();
        for (int i = 0; i < steps.size() && fusedFrom == steps.size(); i++) {
            if (steps.get(i) instanceof DecodeStep.ByteLevel || steps.get(i) instanceof DecodeStep.Fuse) {
                fusedFrom = i;
            }
        }
        DecodeStage stage = new DecodeStage.Output(out);
        for (int i = steps.size() - 1; i >= 0; i--) {
            stage = DecodeStage.of(steps.get(i), i > fusedFrom, stage);
        }
        return stage;
    }
}
