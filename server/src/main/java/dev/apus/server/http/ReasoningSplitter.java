package dev.apus.server.http;

/**
 * Tells a model's thoughts from its answer in text that comes in pieces. White space beside a tag belongs to the tag. The result does not
 * depend on where pieces end. Not thread-safe: one per stream.
 */
final class ReasoningSplitter {
    private final String start;
    private final String end;
    /** Text that may yet belong to a tag. */
    private final StringBuilder held = new StringBuilder();

    private State state;

    private enum State {
        /** Nothing but white space was seen; a thought may begin. */
        BEFORE,
        /** The same, but a thought has begun already. */
        BEFORE_WITHIN,
        /** Behind the tag that begins a thought, or where it could have been. */
        OPENED,
        THOUGHT,
        /** Behind the tag that ended it. */
        CLOSED,
        ANSWER
    }

    /** @param within whether the text begins in the middle of a thought */
    ReasoningSplitter(ReasoningFormat format, boolean within) {
        start = format.start();
        end = format.end();
        state = within ? State.BEFORE_WITHIN : State.BEFORE;
    }

    /** Whether the text is known to be in a thought. */
    boolean isThinking() {
        return state == State.BEFORE_WITHIN || state == State.OPENED || state == State.THOUGHT;
    }

    /** Adds a piece; appends what is certain now. */
    void add(String piece, StringBuilder reasoning, StringBuilder answer) {
        if (state == State.ANSWER) {
            answer.append(piece);
            return;
        }
        held.append(piece);
        State before;
        do {
            before = state;
            switch (state) {
                case BEFORE, BEFORE_WITHIN -> begin();
                case OPENED -> skipSpace(State.THOUGHT);
                case THOUGHT -> think(reasoning);
                case CLOSED -> skipSpace(State.ANSWER);
                case ANSWER -> {
                    answer.append(held);
                    held.setLength(0);
                }
            }
        } while (state != before);
    }

    /** Ends the text; appends what was held back. */
    void finish(StringBuilder reasoning, StringBuilder answer) {
        switch (state) {
            case BEFORE, ANSWER -> answer.append(held);
            case BEFORE_WITHIN, THOUGHT -> reasoning.append(held);
            case OPENED, CLOSED -> {
                // White space beside a tag.
            }
        }
        held.setLength(0);
    }

    private void begin() {
        int from = spaceEnd();
        if (from == held.length()) {
            return;
        }
        int length = Math.min(start.length(), held.length() - from);
        boolean matches = matches(from, start, length);
        if (matches && length == start.length()) {
            held.delete(0, from + length);
            state = State.OPENED;
        } else if (!matches) {
            state = state == State.BEFORE ? State.ANSWER : State.OPENED;
        }
    }

    private void skipSpace(State next) {
        held.delete(0, spaceEnd());
        if (!held.isEmpty()) {
            state = next;
        }
    }

    private void think(StringBuilder reasoning) {
        int at = held.indexOf(end);
        if (at >= 0) {
            reasoning.append(held, 0, withoutSpace(at));
            held.delete(0, at + end.length());
            state = State.CLOSED;
            return;
        }
        int certain = held.length();
        for (int length = Math.min(end.length() - 1, held.length()); length > 0; length--) {
            if (matches(held.length() - length, end, length)) {
                certain = held.length() - length;
                break;
            }
        }
        certain = withoutSpace(certain);
        reasoning.append(held, 0, certain);
        held.delete(0, certain);
    }

    /** Where the white space begins that ends at {@code to}. */
    private int withoutSpace(int to) {
        int at = to;
        while (at > 0 && Character.isWhitespace(held.charAt(at - 1))) {
            at--;
        }
        return at;
    }

    /** Where the white space ends that the held text begins with. */
    private int spaceEnd() {
        int at = 0;
        while (at < held.length() && Character.isWhitespace(held.charAt(at))) {
            at++;
        }
        return at;
    }

    private boolean matches(int at, String text, int length) {
        for (int i = 0; i < length; i++) {
            if (held.charAt(at + i) != text.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
