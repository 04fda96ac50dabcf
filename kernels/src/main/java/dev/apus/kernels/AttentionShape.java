package dev.apus.kernels;

/**
 * The geometry of one attention layer.
 *
 * @param heads query heads
 * @param kvHeads key and value heads; divides {@code heads}, query head h reads kv head {@code h / (heads / kvHeads)}
 * @param headDim elements of a head
 * @param scale factor on q·k, usually {@code 1/sqrt(headDim)}
 * @param slidingWindow a query at p sees keys in {@code (p - slidingWindow, p]}; 0 means all keys up to p
 * @param softCap scores become {@code softCap * tanh(score / softCap)}; 0 means none (Gemma 2)
 * @param bidirectional a query sees all keys of its sequence, those behind it too (BERT); then a step must hold the whole sequence, and
 *     there is no sliding window
 */
public record AttentionShape(
        int heads, int kvHeads, int headDim, float scale, int slidingWindow, float softCap, boolean bidirectional) {
    /** Causal attention. */
    public AttentionShape(int heads, int kvHeads, int headDim, float scale, int slidingWindow, float softCap) {
        this(heads, kvHeads, headDim, scale, slidingWindow, softCap, false);
    }

    public AttentionShape {
        if (bidirectional && slidingWindow != 0) {
            throw new IllegalArgumentException(
                    "slidingWindow is " + slidingWindow + "; it must be 0 where attention is bidirectional");
        }
        if (heads <= 0 || kvHeads <= 0 || headDim <= 0 || heads % kvHeads != 0) {
            throw new IllegalArgumentException("heads " + heads + ", kvHeads " + kvHeads + ", headDim " + headDim
                    + ": kvHeads must divide heads, all positive");
        }
    }
}
