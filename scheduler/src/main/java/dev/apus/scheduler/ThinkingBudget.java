package dev.apus.scheduler;

import java.util.List;

/**
 * How many tokens a model may think: after so many the end of the thought is forced upon it.
 *
 * @param tokens tokens of all thoughts together, 0 or more; the tags' own not counted
 * @param start ids that begin a thought
 * @param end ids that end it
 * @param within whether the prompt leaves the model in the middle of a thought
 */
public record ThinkingBudget(int tokens, List<Integer> start, List<Integer> end, boolean within) {
    public ThinkingBudget {
        start = List.copyOf(start);
        end = List.copyOf(end);
        if (tokens < 0) {
            throw new IllegalArgumentException("thinking_token_budget is " + tokens + ", must be 0 or more");
        }
        if (start.isEmpty() || end.isEmpty()) {
            throw new IllegalArgumentException("the tags of a thought have no tokens");
        }
    }
}
