package dev.apus.models.chat;

/**
 * What one rendering of a template may use. Templates come with model files, so they are as trusted as a download: without limits a
 * template could hold a thread or the heap for ever.
 *
 * @param steps evaluated nodes, loop turns and work units of bulk operations; about 20 million fit a second
 * @param depth nested evaluations: macro in macro, parenthesis in parenthesis, list in list; bounds the thread's stack
 * @param characters length of the output and of every single string made on the way, in UTF-16 units; all strings made on the way together
 *     may be {@value #TOTAL_FACTOR} times as long
 */
public record TemplateLimits(long steps, int depth, int characters) {
    /** Templates that gather a prompt by {@code text = text + more} make strings of quadratic total length: leave them room. */
    static final int TOTAL_FACTOR = 16;

    /** 4 million steps (a conversation of ten thousand turns), depth 800 (fits a 1 MiB stack), 8 Mi characters (about 2 million tokens). */
    public static final TemplateLimits DEFAULT = new TemplateLimits(4_000_000, 800, 8 << 20);

    public TemplateLimits {
        if (steps < 1 || depth < 1 || characters < 1) {
            throw new IllegalArgumentException("template limits must be positive: steps=" + steps + ", depth=" + depth
                    + ", characters=" + characters + "; use TemplateLimits.DEFAULT");
        }
    }
}
