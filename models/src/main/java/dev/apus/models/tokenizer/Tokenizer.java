package dev.apus.models.tokenizer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Text to token ids and back, exactly as the model's own tokenizer does it. Thread-safe.
 */
public interface Tokenizer extends AutoCloseable {
    /** Ids that the tokenizer knows, added tokens included; the model's vocabulary may be padded beyond. */
    int size();

    /**
     * Encodes text.
     *
     * @param addSpecialTokens let the tokenizer add what it adds around a prompt (BOS, usually); false for rendered chat templates
     * @param parseSpecialTokens whether a special token's text in {@code text} becomes that token (rendered templates) or is plain text
     */
    int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens);

    /** Decodes a whole sequence at once, as Hugging Face's {@code decode(ids, skip_special_tokens)} with clean-up off. */
    String decode(int[] ids, boolean skipSpecialTokens);

    /** A decoder of a growing sequence: the concatenation of its pieces equals {@link #decode} of the whole. */
    Detokenizer detokenizer(boolean skipSpecialTokens);

    /** The bytes that a token stands for in the middle of a text ({@code logprobs.bytes}); a special token's text otherwise. */
    byte[] tokenBytes(int id);

    /** The vocabulary's string of a token, or null if there is none. */
    @Nullable
    String token(int id);

    /** Id of a vocabulary string (special tokens included), or -1. */
    int id(String token);

    boolean isSpecial(int id);

    /** Beginning of sequence, or -1. */
    int bosId();

    /** Ids that end a generation (EOS and, where known, end of turn); may be empty. */
    List<Integer> eosIds();

    /** Padding, or -1. */
    int padId();

    @Override
    void close();
}
