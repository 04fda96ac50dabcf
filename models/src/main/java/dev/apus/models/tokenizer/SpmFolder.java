package dev.apus.models.tokenizer;

import java.nio.file.Path;
import java.util.List;

/**
 * Opens a model folder whose tokenizer is a SentencePiece file. Ids are those of transformers, whose translation this follows: added
 * tokens, the space that is put before a text, and three cases in which its engine is not SentencePiece: the text {@code <0xNN>} may become
 * that byte, U+2581 in a text is no space to be tidied, and rules over several characters apply to whole graphemes.
 */
final class SpmFolder {
    private final String source;
    private final SpmModel model;
    private final FolderIds ids;
    private final FolderTokens tokens;

    SpmFolder(Path file, Path folder, byte[] content) {
        this.source = file.toString();
        this.model = SpmModel.parse(source, content);
        this.ids = new FolderIds(folder);
        this.tokens = new FolderTokens(source, ids);
    }

    Tokenizer open() {
        String kind = tokens.text("tokenizer_class");
        if (kind != null && kind.startsWith("ChatGLM")) {
            // its control tokens and the prefix of every prompt stand in Python code
            throw new TokenizerException(
                    source + ": tokenizer_class is " + kind
                            + ", which needs code beside the SentencePiece model; convert it to a tokenizer.json in this folder");
        }
        SpmVocabulary.Prefix prefix = prefix();
        SpmVocabulary vocabulary = new SpmVocabulary(
                source,
                model.pieces(),
                model.scores(),
                model.types(),
                model.unigram(),
                new SpmVocabulary.Rules(prefix, model.tidySpaces(), model.charsMap(), true));
        TokenTable table = vocabulary.table();
        tokens.addNumbered(table, prefix == SpmVocabulary.Prefix.NONE);
        tokens.addNamed(table);
        SpecialIds special = special(table);
        // BPE models are language models, which start with BOS; Unigram ones descend from T5, which ends with EOS
        int before = tokens.flag("add_bos_token", !model.unigram()) ? special.bos() : -1;
        int after =
                tokens.flag("add_eos_token", model.unigram()) && !special.eos().isEmpty()
                        ? special.eos().getFirst()
                        : -1;
        TokenizerDescription description =
                vocabulary.describe(table, TokenizerDescription.around(before, after, table.tokens()));
        return new EngineTokenizer(source, description, description.vocabulary(), description.decoder(), special);
    }

    private SpmVocabulary.Prefix prefix() {
        if (!tokens.flag("add_prefix_space", model.dummyPrefix())) {
            return SpmVocabulary.Prefix.NONE;
        }
        return tokens.flag("legacy", true) ? SpmVocabulary.Prefix.EACH : SpmVocabulary.Prefix.FIRST;
    }

    private SpecialIds special(TokenTable table) {
        SpecialIds read = ids.read(new Vocabulary(table.tokens(), table.added()));
        return new SpecialIds(
                read.bos() < 0 ? model.bos() : read.bos(),
                !read.eos().isEmpty() || model.eos() < 0 ? read.eos() : List.of(model.eos()),
                read.pad() < 0 ? model.pad() : read.pad());
    }
}
