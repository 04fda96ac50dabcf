package dev.apus.models.tokenizer;

import java.util.Arrays;

/**
 * Streams a decoder that has no {@link DecodePlan}: decodes a short window through the engine after each token and passes on what it
 * grew by. Text never goes back; a window that ends in an incomplete character waits.
 */
final class EngineDetokenizer implements Detokenizer {
    /** Enough tokens before the new ones for a decoder to see that they do not start the text. */
    private static final int CONTEXT = 6;

    /**
     * Tokens that may wait for the rest of a character, which has four bytes at most: beyond this, what follows is no text. It is passed
     * on as it is, or forgotten if it shows nothing; waiting on would decode an ever longer window for each token.
     */
    private static final int MOST_WAITING = 16;

    private final NativeEngine engine;
    private final boolean skipSpecialTokens;
    private int[] window = new int[16];
    private int length;
    private int read;

    EngineDetokenizer(NativeEngine engine, boolean skipSpecialTokens) {
        this.engine = engine;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    @Override
    public String add(int id) {
        if (length == window.length) {
            window = Arrays.copyOf(window, 2 * length);
        }
        window[length++] = id;
        return grown(false);
    }

    @Override
    public String finish() {
        return grown(true);
    }

    private String grown(boolean last) {
        String before = engine.decode(Arrays.copyOf(window, read), skipSpecialTokens);
        String now = engine.decode(Arrays.copyOf(window, length), skipSpecialTokens);
        boolean mayWait = !last && length - read < MOST_WAITING;
        if (now.length() <= before.length()) {
            length = mayWait ? length : read; // tokens that are no text, such as special ones
            return "";
        }
        if (mayWait && now.endsWith("\uFFFD")) {
            return "";
        }
        int drop = Math.max(0, length - CONTEXT);
        System.arraycopy(window, drop, window, 0, length - drop);
        length -= drop;
        read = length;
        return now.substring(before.length());
    }
}
