package dev.apus.server.http;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One answer as Anthropic's message or its stream of events. Not thread-safe. */
final class MessagesRenderer implements Renderer {
    private static final byte[] DELTA =
            OpenAiParts.ascii("event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                    + "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
    private static final byte[] END_DELTA = OpenAiParts.ascii("\"}}\n\n");

    private final String id;
    private final String modelName;
    private final String requestId;

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
        if (!choice.text().isEmpty()) {
            out.raw(DELTA).text(choice.text()).raw(END_DELTA);
        }
    }

    /** The events before the text; the first token has come by then, so that a request that fails before has a status of its own. */
    private void begin(JsonOut out, Choice choice) {
        out.raw("event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        head(out);
        out.raw("],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        // What the prefix cache had is known at the end.
        usage(out, choice.prompt().ids().length, 0, 0);
        out.raw("}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,");
        out.raw("\"content_block\":{\"type\":\"text\",\"text\":\"\",\"citations\":null}}\n\n");
        out.raw("event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    @Override
    public void end(JsonOut out, List<Choice> choices) {
        Choice choice = choices.getFirst();
        String reason = stopReason(choice);
        out.raw("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
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
    public byte[] whole(List<Choice> choices) {
        Choice choice = choices.getFirst();
        String reason = stopReason(choice);
        JsonOut out = new JsonOut();
        head(out);
        out.raw("{\"type\":\"text\",\"text\":").string(choice.text()).raw(",\"citations\":null}],\"stop_reason\":\"");
        out.raw(reason)
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
