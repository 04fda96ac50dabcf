package dev.apus.scheduler;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Looks for stop strings in text that arrives in pieces and holds back what may yet become one.
 *
 * <p>The stop string that is complete first ends the text, as if characters came one by one; so the result does not depend on where
 * pieces end. Not thread-safe: one per stream.
 */
public final class StopMatcher {
    private final List<String> stops;
    private final boolean includeStop;
    private final StringBuilder held = new StringBuilder();
    private @Nullable String matched;

    /**
     * @param stops strings that end the text, none empty; may be no strings
     * @param includeStop whether the stop string belongs to the text
     */
    public StopMatcher(List<String> stops, boolean includeStop) {
        this.stops = List.copyOf(stops);
        this.includeStop = includeStop;
        for (String stop : stops) {
            if (stop.isEmpty()) {
                throw new IllegalArgumentException("a stop string is empty, it must have at least one character");
            }
        }
    }

    /** Adds a piece and returns the text that is now certain; nothing after a match. */
    public String add(String piece) {
        if (matched != null) {
            return "";
        }
        if (stops.isEmpty() || piece.isEmpty()) {
            return piece;
        }
        int from = held.length();
        held.append(piece);
        for (int end = from + 1; end <= held.length(); end++) {
            String stop = stopEndingAt(end);
            if (stop != null) {
                matched = stop;
                String text = held.substring(0, includeStop ? end : end - stop.length());
                held.setLength(0);
                return text;
            }
        }
        int certain = held.length() - heldBack();
        String text = held.substring(0, certain);
        held.delete(0, certain);
        return text;
    }

    /** Ends the text: returns what was held back. */
    public String finish() {
        String rest = held.toString();
        held.setLength(0);
        return rest;
    }

    /** The stop string found, or null. */
    public @Nullable String matched() {
        return matched;
    }

    /** The longest stop string that ends there, so that none of its text remains. */
    private @Nullable String stopEndingAt(int end) {
        String best = null;
        for (String stop : stops) {
            int length = stop.length();
            if (length <= end && (best == null || length > best.length()) && matches(end - length, stop, length)) {
                best = stop;
            }
        }
        return best;
    }

    /** Length of the longest end of the text that begins a stop string. */
    private int heldBack() {
        int most = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, held.length()); length > most; length--) {
                if (matches(held.length() - length, stop, length)) {
                    most = length;
                }
            }
        }
        return most;
    }

    private boolean matches(int at, String stop, int length) {
        for (int i = 0; i < length; i++) {
            if (held.charAt(at + i) != stop.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
