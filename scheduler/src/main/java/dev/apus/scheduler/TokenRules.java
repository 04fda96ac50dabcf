package dev.apus.scheduler;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a sequence's own tokens forbid or force next: the last token of a bad word whose others stand at the end, and the end of a thought
 * that has had its tokens. Needs all tokens before the one to draw, so that a sequence with rules never has a pending one when it is
 * scheduled. Reads each token once, whatever is computed anew. Owned by the engine's thread once the request is submitted.
 */
final class TokenRules {
    private final int[][] badWords;
    private final @Nullable Thought thought;
    private int seen;
    private int @Nullable [] banned;

    private TokenRules(int[][] badWords, @Nullable Thought thought) {
        this.badWords = badWords;
        this.thought = thought;
    }

    /** The rules of a request, or null if it has none; bad words of one token are banned always, not by rule. */
    static @Nullable TokenRules of(SamplingParams params, int vocabSize) {
        int[][] words = params.badWords().stream()
                .filter(word -> word.size() > 1)
                .map(TokenRules::ids)
                .toArray(int[][]::new);
        ThinkingBudget budget = params.thinkingBudget();
        Thought thought = budget == null ? null : new Thought(budget, vocabSize);
        return words.length == 0 && thought == null ? null : new TokenRules(words, thought);
    }

    private static int[] ids(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * Reads the tokens that have come.
     *
     * @param tokens the sequence's, none of them pending
     * @param alwaysBanned ids that may not be drawn in any case, or null
     */
    void read(int[] tokens, int promptLength, int length, int @Nullable [] alwaysBanned) {
        if (thought != null) {
            for (int at = promptLength + seen; at < length; at++) {
                thought.read(tokens, promptLength, at);
            }
        }
        seen = length - promptLength;
        banned = alwaysBanned;
        int count = 0;
        for (int[] word : badWords) {
            count += endsWith(tokens, promptLength, length, word, word.length - 1) ? 1 : 0;
        }
        if (count > 0) {
            // Rare, and what was given to a step before may still be read: a new list.
            int before = alwaysBanned == null ? 0 : alwaysBanned.length;
            int[] all = alwaysBanned == null ? new int[count] : Arrays.copyOf(alwaysBanned, before + count);
            for (int[] word : badWords) {
                if (endsWith(tokens, promptLength, length, word, word.length - 1)) {
                    all[before++] = word[word.length - 1];
                }
            }
            banned = all;
        }
    }

    /** Ids that may not be drawn next, those that never may included; null means none. */
    int @Nullable [] banned() {
        return banned;
    }

    /** The only id that may be drawn next, as a bit set; null means that nothing is forced. */
    long @Nullable [] forced() {
        return thought == null ? null : thought.forced();
    }

    /** Whether the output ends with the first {@code count} ids of a list. */
    private static boolean endsWith(int[] tokens, int promptLength, int length, int[] ids, int count) {
        if (length - promptLength < count) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            if (tokens[length - count + i] != ids[i]) {
                return false;
            }
        }
        return true;
    }

    /** Counts the tokens of thoughts and ends the one in which they run out. */
    private static final class Thought {
        private final int[] start;
        private final int[] end;
        private final long[][] forcedIds;
        private boolean within;
        private int left;
        /** Tokens of the end that were forced, or -1 if none is to be. */
        private int forcing = -1;

        Thought(ThinkingBudget budget, int vocabSize) {
            start = ids(budget.start());
            end = ids(budget.end());
            within = budget.within();
            left = budget.tokens();
            forcedIds = new long[end.length][(vocabSize + 63) / 64];
            for (int i = 0; i < end.length; i++) {
                forcedIds[i][end[i] >> 6] = 1L << end[i];
            }
            forceIfSpent();
        }

        void read(int[] tokens, int promptLength, int at) {
            if (forcing >= 0) {
                forcing++;
                if (forcing == end.length) {
                    forcing = -1;
                    within = false;
                }
            } else if (within) {
                left--;
                within = !endsWith(tokens, promptLength, at + 1, end, end.length);
                forceIfSpent();
            } else {
                within = endsWith(tokens, promptLength, at + 1, start, start.length);
                forceIfSpent();
            }
        }

        private void forceIfSpent() {
            if (within && left <= 0) {
                forcing = 0;
            }
        }

        long @Nullable [] forced() {
            return forcing < 0 ? null : forcedIds[forcing];
        }
    }
}
