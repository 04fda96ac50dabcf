package dev.apus.server.http;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one response adds to its conversation: its input and its output as chat messages. Turns share what came before them; how many hold a
 * turn is counted by the {@link ResponseStore}, under its lock.
 */
final class ResponseTurn {
    /** A map, its entries and two strings without their characters. */
    private static final int PER_MESSAGE = 256;

    private final @Nullable ResponseTurn before;
    private final List<Map<String, String>> messages;
    private final long bytes;
    /** Stored responses and later turns that need this one; the store's. */
    int holders;

    /** @param messages each with {@code role} and {@code content} */
    ResponseTurn(@Nullable ResponseTurn before, List<Map<String, String>> messages) {
        this.before = before;
        this.messages = List.copyOf(messages);
        long size = 0;
        for (Map<String, String> message : messages) {
            size += PER_MESSAGE + 2L * message.getOrDefault("content", "").length();
        }
        bytes = size;
    }

    @Nullable
    ResponseTurn before() {
        return before;
    }

    /** Bytes of heap, about, without the turns before. */
    long bytes() {
        return bytes;
    }

    /** The messages of a conversation up to and with this turn, from the first. */
    static List<Map<String, String>> conversation(@Nullable ResponseTurn last) {
        List<List<Map<String, String>>> turns = new ArrayList<>();
        for (ResponseTurn turn = last; turn != null; turn = turn.before) {
            turns.add(turn.messages);
        }
        Collections.reverse(turns);
        List<Map<String, String>> messages = new ArrayList<>();
        turns.forEach(messages::addAll);
        return messages;
    }
}
