package dev.apus.models.chat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Renders a chat whose last message stays open. The end of that message's text is found by a mark appended to it, not by searching the
 * text: a last message "end" would be found in {@code <|im_end|>}.
 */
final class FinalMessage {
    /** The mark of transformers, so that templates which look at the text see what they see there. */
    private static final String MARK = "CONTINUE_FINAL_MESSAGE_TAG";
    /** A blank follows the mark; when it is gone, the template trims messages, and blanks before the mark go too. */
    private static final String MARK_AND_BLANK = MARK + " ";

    private FinalMessage() {}

    static String render(ChatTemplate template, Map<String, ?> variables) {
        if (!(variables.get("messages") instanceof List<?> messages)
                || messages.isEmpty()
                || !(messages.getLast() instanceof Map<?, ?> last)) {
            throw new ChatTemplateException("there is no last message to continue: 'messages' must be a list of objects"
                    + " and must not be empty");
        }
        Map<Object, @Nullable Object> marked = new LinkedHashMap<>(last);
        String text = mark(marked);
        List<@Nullable Object> open = new ArrayList<>(messages);
        open.set(open.size() - 1, marked);
        Map<String, @Nullable Object> all = new HashMap<>(variables);
        all.put("messages", open);
        return cut(template.render(all), text);
    }

    /** Appends the mark to the message's text, or to its last part of text; returns that text. */
    private static String mark(Map<Object, @Nullable Object> message) {
        Object content = message.get("content");
        if (content instanceof String text) {
            message.put("content", text + MARK_AND_BLANK);
            return text;
        }
        if (content instanceof List<?> parts) {
            for (int i = parts.size() - 1; i >= 0; i--) {
                if (parts.get(i) instanceof Map<?, ?> part && part.get("text") instanceof String text) {
                    Map<Object, @Nullable Object> markedPart = new LinkedHashMap<>(part);
                    markedPart.put("text", text + MARK_AND_BLANK);
                    List<@Nullable Object> copy = new ArrayList<>(parts);
                    copy.set(i, markedPart);
                    message.put("content", copy);
                    return text;
                }
            }
        }
        throw new ChatTemplateException("the last message cannot be continued: its 'content' must be a string or a list"
                + " with a part that has a 'text'");
    }

    private static String cut(String prompt, String text) {
        int end = prompt.lastIndexOf(MARK);
        if (end < 0 || !prompt.contains(PythonStrings.strip(text, true, true))) {
            throw new ChatTemplateException(
                    "the last message cannot be continued: the chat template leaves its text out"
                            + " or changes it; let the last message be the assistant's, without tool calls or thoughts");
        }
        String kept = prompt.substring(0, end);
        return prompt.startsWith(MARK_AND_BLANK, end) ? kept : PythonStrings.strip(kept, false, true);
    }
}
