package dev.apus.models.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * How byte-level BPE vocabularies cut text into words, by the name GGUF's {@code tokenizer.ggml.pre} gives.
 *
 * @param patterns Oniguruma patterns, each cutting the pieces that the ones before left; matches and gaps are both pieces
 * @param gpt2 whether GPT-2's own pattern comes last
 * @param ignoreMerges whether a word that is a token as a whole is taken without merging
 * @param nfc whether text is first brought to Unicode form NFC
 * @param addBos whether BOS is prepended unless the file says otherwise
 */
record PreTokenizers(List<String> patterns, boolean gpt2, boolean ignoreMerges, boolean nfc, boolean addBos) {
    private static final String CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private static final String TAIL = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    /** Llama 3 (and cl100k): digits in groups of at most three. */
    static final String LLAMA3 = CONTRACTION + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" + TAIL;

    static final String QWEN2 = CONTRACTION + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" + TAIL;
    private static final String QWEN35 = CONTRACTION
            + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String O200K_TAIL = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    static final String O200K = cased(UPPER, LOWER, CONTRACTION + "?") + "|\\p{N}{1,3}|" + O200K_TAIL;
    private static final String TEKKEN = cased(UPPER, LOWER, "") + "|\\p{N}|" + O200K_TAIL;
    private static final String DEEPSEEK3 = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
            + "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private static final String NOT_HAN_UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";
    private static final String NOT_HAN_LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";
    /** Kimi: runs of Han are words of their own, else as o200k. */
    static final String KIMI =
            "[\\p{Han}]+|" + cased(NOT_HAN_UPPER, NOT_HAN_LOWER, CONTRACTION + "?") + "|\\p{N}{1,3}|" + TAIL;

    private static final PreTokenizers GPT2 = new PreTokenizers(List.of(), true, false, false, false);
    private static final PreTokenizers DIGITS = new PreTokenizers(List.of("\\p{N}"), true, false, false, false);
    private static final PreTokenizers LLAMA_BPE = new PreTokenizers(List.of(LLAMA3), false, true, false, true);
    private static final PreTokenizers DEEPSEEK_V3 =
            only(List.of("\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3));

    private static final Map<String, PreTokenizers> BY_NAME = Map.ofEntries(
            Map.entry("gpt-2", GPT2),
            Map.entry("phi-2", GPT2),
            Map.entry("mpt", GPT2),
            Map.entry("olmo", GPT2),
            Map.entry("jais", GPT2),
            Map.entry("trillion", GPT2),
            Map.entry("modern-bert", GPT2),
            Map.entry("roberta-bpe", GPT2),
            Map.entry("smollm", DIGITS),
            Map.entry("starcoder", DIGITS),
            Map.entry("refact", DIGITS),
            Map.entry("command-r", DIGITS),
            Map.entry("codeshell", DIGITS),
            Map.entry("exaone", DIGITS),
            Map.entry("llama3", LLAMA_BPE),
            Map.entry("llama-v3", LLAMA_BPE),
            Map.entry("llama-bpe", LLAMA_BPE),
            Map.entry("dbrx", only(List.of(LLAMA3))),
            Map.entry("smaug-bpe", only(List.of(LLAMA3))),
            Map.entry("glm4", only(List.of(LLAMA3))),
            Map.entry("chatglm-bpe", only(List.of(LLAMA3))),
            Map.entry("qwen2", new PreTokenizers(List.of(QWEN2), false, false, true, false)),
            Map.entry("deepseek-r1-qwen", new PreTokenizers(List.of(QWEN2), false, false, true, false)),
            Map.entry("stablelm2", new PreTokenizers(List.of(QWEN2), false, false, true, false)),
            Map.entry("qwen35", new PreTokenizers(List.of(QWEN35), false, false, true, false)),
            Map.entry("gpt-4o", only(List.of(O200K))),
            Map.entry("llama4", only(List.of(O200K))),
            Map.entry("tekken", new PreTokenizers(List.of(TEKKEN), false, true, false, true)),
            Map.entry("deepseek-v3", DEEPSEEK_V3),
            Map.entry("hunyuan-dense", DEEPSEEK_V3),
            Map.entry(
                    "deepseek-coder",
                    only(List.of(
                            "[\\r\\n]",
                            "\\s?\\p{L}+",
                            "\\s?\\p{P}+",
                            "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
                            "\\p{N}"))));

    static PreTokenizers only(List<String> patterns) {
        return new PreTokenizers(patterns, false, false, false, false);
    }

    private static String cased(String upper, String lower, String contraction) {
        String lead = "[^\\r\\n\\p{L}\\p{N}]?";
        return lead + upper + "*" + lower + "+" + contraction + "|" + lead + upper + "+" + lower + "*" + contraction;
    }

    /** @throws TokenizerException if the name is not known */
    static PreTokenizers named(String name, String source) {
        PreTokenizers found = BY_NAME.get(name);
        if (found == null) {
            throw new TokenizerException(source + ": tokenizer.ggml.pre is \"" + name + "\"; supported are "
                    + new TreeSet<>(BY_NAME.keySet())
                    + "; put the model's tokenizer.json beside its weights and open the folder instead");
        }
        return found;
    }

    /** As the {@code pre_tokenizer} of a tokenizer.json. */
    Map<String, Object> json() {
        List<Object> steps = new ArrayList<>();
        for (String pattern : patterns) {
            steps.add(Map.of(
                    "type", "Split", "pattern", Map.of("Regex", pattern), "behavior", "Isolated", "invert", false));
        }
        steps.add(Map.of("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", true, "use_regex", gpt2));
        return Map.of("type", "Sequence", "pretokenizers", steps);
    }
}
