package dev.apus.server.http;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One answer as Anthropic's message or its stream of events. Not thread-safe. */
final class MessagesRenderer implements Renderer {
    private static final byte[] DELTA =
            OpenAiParts.ascii("event: content_block_delta\ndata: {\"type\":\"content_block_delta\"," + "\"index\":");
    private static final byte[] END_DELTA = OpenAiParts.ascii("\"}}\n\n");

    private final String id;
    private final String modelName;
    private final String requestId;
    /** Number of the block that is open, or of the next. */
    private int index;

    private @Nullable Block open;

    /** The kinds of content: thoughts come first, if there are any. */
    private enum Block {
        THINKING("{\"type\":\"thinking\",\"thinking\":", ",\"signature\":\"\"}", "thinking_delta\",\"thinking"),
        TEXT("{\"type\":\"text\",\"text\":", ",\"citations\":null}", "text_delta\",\"text");

        private final String head;
        private final String tail;
        private final String delta;

        Block(String head, String tail, String delta) {
            this.head = head;
            this.tail = tail;
            this.delta = delta;
        }

        private void write(JsonOut out, CharSequence text) {
            out.raw(head).string(text).raw(tail);
        }
    }

    MessagesRenderer(String id, String modelName, String requestId) {
        this.id = id;
        this.modelName = modelName;
        this.requestId = requestId;
    }

    @Override
    public void chunk(JsonOut out, Choice choice) {
        if (!choice.begun()) {
            begin(out, choice);
        }
        delta(out, Block.THINKING, choice.reasoning());
        delta(out, Block.TEXT, choice.text());
    }

    /** The event before all content; the first token has come by then, so that a request that fails before has a status of its own. */
    private void begin(JsonOut out, Choice choice) {
        out.raw("event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        head(out);
        out.raw("],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        // What the prefix cache had is known at the end.
        usage(out, choice.prompt().ids().length, 0, 0);
        out.raw("}}\n\n");
    }

    private void delta(JsonOut out, Block block, CharSequence text) {
        if (text.isEmpty()) {
            return;
        }
        if (open != block) {
            close(out);
            open(out, block);
        }
        out.raw(DELTA)
                .number(index)
                .raw(",\"delta\":{\"type\":\"")
                .raw(block.delta)
                .raw("\":\"");
        out.text(text).raw(END_DELTA);
    }

    private void open(JsonOut out, Block block) {
        open = block;
        out.raw("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":")
                .number(index);
        out.raw(",\"content_block\":");
        block.write(out, "");
        out.raw("}\n\n");
        if (index == 0) {
            out.raw("event: ping\ndata: {\"type\":\"ping\"}\n\n");
        }
    }

    private void close(JsonOut out) {
        if (open != null) {
            out.raw("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
            out.number(index).raw("}\n\n");
            open = null;
            index++;
        }
    }

    @Override
    public void end(JsonOut out, List<Choice> choices) {
        Choice choice = choices.getFirst();
        String reason = stopReason(choice);
        if (open == null) {
            // Clients look at the first block: an answer without text has one.
            open(out, Block.TEXT);
        }
        close(out);
        out.raw("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
        out.raw(reason)
                .raw("\",\"stop_sequence\":")
                .stringOrNull(stopSequence(choice))
                .raw("},\"usage\":");
        usage(out, choice);
        out.raw("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    @Override
    public void error(JsonOut out, ApiException error) {
        out.raw("event: error\ndata: ")
                .raw(ErrorShape.ANTHROPIC.json(error, requestId))
                .raw("\n\n");
    }

    @Override
    public byte[] whole(JsonOut out, List<Choice> choices) {
        Choice choice = choices.getFirst();
        String reason = stopReason(choice);
        head(out);
        boolean thought = !choice.reasoning().isEmpty();
        if (thought) {
            Block.THINKING.write(out, choice.reasoning());
        }
        if (!thought || !choice.text().isEmpty()) {
            out.raw(thought ? "," : "");
            Block.TEXT.write(out, choice.text());
        }
        out.raw("],\"stop_reason\":\"")
                .raw(reason)
                .raw("\",\"stop_sequence\":")
                .stringOrNull(stopSequence(choice))
                .raw(",\"usage\":");
        usage(out, choice);
        return out.raw("}").toBytes();
    }

    private void head(JsonOut out) {
        out.raw("{\"id\":").string(id).raw(",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
        out.string(modelName).raw(",\"content\":[");
    }

    /** @throws ApiException if the answer was aborted, for which this API has no reason */
    private static String stopReason(Choice choice) {
        String reason = choice.finishReason();
        if (reason == null || reason.equals("abort")) {
            throw ApiException.unavailable("the answer was broken off because the server shuts down");
        }
        if (reason.equals("length")) {
            return "max_tokens";
        }
        return stopSequence(choice) == null ? "end_turn" : "stop_sequence";
    }

    private static @Nullable String stopSequence(Choice choice) {
        return choice.stopReason() instanceof String matched ? matched : null;
    }

    private static void usage(JsonOut out, Choice choice) {
        usage(out, choice.prompt().ids().length, choice.cachedTokens(), choice.completionTokens());
    }

    /** Anthropic counts cached tokens beside the input's, not among them. */
    private static void usage(JsonOut out, int prompt, int cached, int completion) {
        out.raw("{\"input_tokens\":").number(prompt - cached);
        out.raw(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":")
                .number(cached);
        out.raw(",\"output_tokens\":").number(completion).raw("}");
    }
}
