package dev.apus.models.chat;

import java.util.Map;

/**
 * A model's chat template, compiled. Thread-safe.
 *
 * <p>{@code variables} holds plain JSON-like values (Map, List, String, Boolean, Long, Double, null): {@code messages}, {@code tools},
 * {@code documents}, {@code add_generation_prompt}, {@code bos_token}, {@code eos_token} and any {@code chat_template_kwargs}.
 */
public interface ChatTemplate {
    /**
     * Renders a prompt as transformers' {@code apply_chat_template} does.
     *
     * @throws ChatTemplateException if the template raises an exception, is wrong, or passes a limit
     */
    String render(Map<String, ?> variables);
}
