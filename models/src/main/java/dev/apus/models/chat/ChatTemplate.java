package dev.apus.models.chat;

import java.util.Map;

/**
 * A model's chat template, compiled. Thread-safe.
 *
 * <p>{@code variables} holds plain JSON-like values (Map, List, String, Boolean, Long, Double, null): {@code messages}, {@code tools},
 * {@code documents}, {@code add_generation_prompt}, {@code bos_token}, {@code eos_token} and any {@code chat_template_kwargs}. Without a
 * value, {@code tools} and {@code documents} are none and {@code add_generation_prompt} is false, as in transformers.
 */
public interface ChatTemplate {
    /**
     * Renders a prompt as transformers' {@code apply_chat_template} does.
     *
     * @throws ChatTemplateException if the template raises an exception, is wrong, or passes a limit
     */
    String render(Map<String, ?> variables);

    /**
     * Renders a prompt that ends within the last message, so that the model goes on with it: transformers'
     * {@code continue_final_message=True}. What the template writes after that message's text is cut off.
     *
     * @param variables as for {@link #render}; the last of {@code messages} must have a {@code content} with text
     * @throws ChatTemplateException as {@link #render}, and if the last message has no text or the template leaves its text out
     */
    default String renderContinued(Map<String, ?> variables) {
        return FinalMessage.render(this, variables);
    }
}
