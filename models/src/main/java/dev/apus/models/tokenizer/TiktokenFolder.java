package dev.apus.models.tokenizer;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Opens a model folder whose tokenizer is a tiktoken file. How words are cut and which special tokens there are stands in the code of each
 * model family, not in the file: the family is known by tokenizer_config.json's class, the file's name or, for Llama 3's own release
 * which has no configuration, the size of the vocabulary. A configuration that gives the pattern itself ({@code pat_str}) needs no family.
 */
final class TiktokenFolder {
    /** Llama 3's vocabulary before special tokens; its folder {@code original/} has nothing else that names it. */
    private static final int LLAMA3_RANKS = 128_000;

    private static final List<String> LLAMA3_SPECIAL = llama3Special();
    private static final List<String> QWEN_SPECIAL =
            numbered(List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|extra_", 205);
    private static final List<String> HUNYUAN_SPECIAL =
            numbered(List.of("<|endoftext|>", "<|startoftext|>", "<|bos|>", "<|eos|>", "<|pad|>"), "<|extra_", 205);

    /**
     * What a family's code says.
     *
     * @param words how text is cut
     * @param special special tokens that follow the ranks, in order
     * @param bos what a prompt starts with, or null
     * @param ends what ends a generation
     */
    private record Family(
            PreTokenizers words,
            List<String> special,
            @Nullable String bos,
            List<String> ends) {}

    private static final Family QWEN = new Family(
            new PreTokenizers(List.of(PreTokenizers.QWEN2), false, true, true, false),
            QWEN_SPECIAL,
            null,
            List.of("<|im_end|>", "<|endoftext|>"));
    private static final Family HUNYUAN =
            new Family(QWEN.words, HUNYUAN_SPECIAL, null, List.of("<|eos|>", "<|endoftext|>"));
    private static final Family LLAMA3 = new Family(
            words(PreTokenizers.LLAMA3),
            LLAMA3_SPECIAL,
            "<|begin_of_text|>",
            List.of("<|eot_id|>", "<|end_of_text|>", "<|eom_id|>"));
    private static final Family CL100K =
            new Family(words(PreTokenizers.LLAMA3), List.of(), null, List.of("<|endoftext|>"));
    private static final Family O200K = new Family(words(PreTokenizers.O200K), List.of(), null, List.of());
    private static final Family KIMI = new Family(words(PreTokenizers.KIMI), List.of(), null, List.of());

    /** By tokenizer_class. */
    private static final Map<String, Family> BY_CLASS = Map.of(
            "QWenTokenizer", QWEN, "HYTokenizer", HUNYUAN, "ChatGLM4Tokenizer", CL100K, "TikTokenTokenizer", KIMI);
    /** By the file's name. */
    private static final Map<String, Family> BY_NAME = Map.of(
            "qwen.tiktoken", QWEN,
            "hy.tiktoken", HUNYUAN,
            "cl100k_base.tiktoken", CL100K,
            "o200k_base.tiktoken", O200K,
            "tiktoken.model", KIMI);

    private final String source;
    private final String name;
    private final TiktokenRanks ranks;
    private final FolderIds ids;
    private final FolderTokens tokens;

    TiktokenFolder(Path file, Path folder, byte[] content) {
        this.source = file.toString();
        this.name = String.valueOf(file.getFileName());
        this.ranks = TiktokenRanks.parse(source, content);
        this.ids = new FolderIds(folder);
        this.tokens = new FolderTokens(source, ids);
    }

    Tokenizer open() {
        Family family = family();
        @Nullable String[] own = ranks.tokens();
        TokenTable table = new TokenTable(source, Arrays.asList(own));
        tokens.addNumbered(table, true);
        for (int i = 0; i < family.special.size(); i++) {
            table.putIfFree(new AddedToken(own.length + i, family.special.get(i), true));
        }
        tokens.addNamed(table);
        SpecialIds special = special(table, family);
        int before = tokens.flag("add_bos_token", family.bos != null) ? special.bos() : -1;
        TokenizerDescription description = new TokenizerDescription(
                table.tokens(),
                new TokenizerDescription.Model.Bpe(ranks.merges(), true, false, -1),
                table.added(),
                family.words.nfc() ? Map.of("type", "NFC") : null,
                family.words.json(),
                TokenizerDescription.around(before, -1, table.tokens()),
                new DecodePlan(List.of(new DecodeStep.ByteLevel())));
        return new EngineTokenizer(source, description, description.vocabulary(), description.decoder(), special);
    }

    private Family family() {
        for (String key : List.of("pat_str", "pattern")) {
            String pattern = tokens.text(key);
            if (pattern != null) {
                return new Family(words(pattern), List.of(), null, List.of());
            }
        }
        String kind = tokens.text("tokenizer_class");
        Family family = kind == null ? null : BY_CLASS.get(kind);
        family = family == null ? BY_NAME.get(name) : family;
        if (family == null && ranks.tokens().length == LLAMA3_RANKS) {
            family = LLAMA3;
        }
        if (family == null) {
            throw new TokenizerException(
                    source + ": tiktoken files do not say how text is cut into words, and tokenizer_class "
                            + kind + ", the name " + name + " and " + ranks.tokens().length
                            + " ranks are of no known family; known are the classes "
                            + BY_CLASS.keySet().stream().sorted().toList()
                            + ", the names "
                            + BY_NAME.keySet().stream().sorted().toList() + " and the " + LLAMA3_RANKS
                            + " ranks of Llama 3; give the pattern as \"pat_str\" in tokenizer_config.json, or a tokenizer.json");
        }
        return family;
    }

    private SpecialIds special(TokenTable table, Family family) {
        SpecialIds read = ids.read(new Vocabulary(table.tokens(), table.added()));
        Set<Integer> ends = new LinkedHashSet<>(read.eos());
        for (String end : ends.isEmpty() ? family.ends : List.<String>of()) {
            if (table.id(end) >= 0) {
                ends.add(table.id(end));
            }
        }
        int bos = read.bos() < 0 && family.bos != null ? table.id(family.bos) : read.bos();
        return new SpecialIds(bos, List.copyOf(ends), read.pad());
    }

    private static PreTokenizers words(String pattern) {
        return new PreTokenizers(List.of(pattern), false, true, false, false);
    }

    private static List<String> numbered(List<String> first, String prefix, int count) {
        List<String> all = new ArrayList<>(first);
        IntStream.range(0, count).forEach(i -> all.add(prefix + i + "|>"));
        return List.copyOf(all);
    }

    /** 256 tokens, named as since Llama 3.1; those that have a use have the same ids in all of Llama 3. */
    private static List<String> llama3Special() {
        List<String> all = numbered(List.of("<|begin_of_text|>", "<|end_of_text|>"), "<|reserved_special_token_", 2);
        List<String> special = new ArrayList<>(all);
        special.addAll(List.of(
                "<|finetune_right_pad_id|>",
                "<|reserved_special_token_2|>",
                "<|start_header_id|>",
                "<|end_header_id|>",
                "<|eom_id|>",
                "<|eot_id|>",
                "<|python_tag|>"));
        for (int i = 3; special.size() < 256; i++) {
            special.add("<|reserved_special_token_" + i + "|>");
        }
        return List.copyOf(special);
    }
}
