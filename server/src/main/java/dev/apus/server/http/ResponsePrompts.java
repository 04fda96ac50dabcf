package dev.apus.server.http;

import dev.apus.server.http.ResponsesReader.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** From a response's input and what it goes on with to its prompt. Thread-safe. */
final class ResponsePrompts {
    private final TextEncoder encoder;
    private final ChatPrompts chats;
    private final int maxModelLength;

    ResponsePrompts(TextEncoder encoder, ChatPrompts chats, int maxModelLength) {
        this.encoder = encoder;
        this.chats = chats;
        this.maxModelLength = maxModelLength;
    }

    /**
     * The prompt of the whole conversation; with truncation, of its newest messages that fit.
     *
     * @param before what came before the input, if anything
     */
    Prompt prompt(Exchange exchange, Settings settings, @Nullable ResponseTurn before, ResponseItems input) {
        List<Map<String, String>> conversation = ResponseTurn.conversation(before);
        // The request's own text is accounted for with its body.
        long earlier = 0;
        for (Map<String, String> message : conversation) {
            earlier += message.getOrDefault("content", "").length();
        }
        exchange.memory().take(earlier * MemoryBudget.PER_BODY_BYTE);
        conversation.addAll(input.messages());
        List<Map<String, String>> messages = ResponseItems.forTemplate(settings.instructions(), conversation);
        return settings.truncate() ? newest(exchange, settings, messages) : render(exchange, settings, messages);
    }

    private Prompt render(Exchange exchange, Settings settings, List<Map<String, String>> messages) {
        String text = chats.render(messages, settings.variables(), false);
        return new Prompt(encoder.prompt(exchange, "input", text, false), text);
    }

    /** Leaves out as few of the oldest messages as it takes, but neither the system's text nor the last message. */
    private Prompt newest(Exchange exchange, Settings settings, List<Map<String, String>> messages) {
        int system = "system".equals(messages.getFirst().get("role")) && messages.size() > 1 ? 1 : 0;
        int least = 0;
        int most = messages.size() - system - 1;
        while (least < most) {
            int middle = (least + most) / 2;
            if (fits(exchange, settings, without(messages, system, middle))) {
                most = middle;
            } else {
                least = middle + 1;
            }
        }
        return render(exchange, settings, without(messages, system, least));
    }

    private static List<Map<String, String>> without(List<Map<String, String>> messages, int from, int count) {
        List<Map<String, String>> rest = new ArrayList<>(messages.subList(0, from));
        rest.addAll(messages.subList(from + count, messages.size()));
        return rest;
    }

    private boolean fits(Exchange exchange, Settings settings, List<Map<String, String>> messages) {
        Integer answer = settings.spec().maxTokens();
        try {
            return render(exchange, settings, messages).ids().length <= maxModelLength - (answer == null ? 1 : answer);
        } catch (ApiException e) {
            if ("context_length_exceeded".equals(e.code())) {
                return false;
            }
            throw e;
        }
    }
}
