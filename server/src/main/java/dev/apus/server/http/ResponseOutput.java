package dev.apus.server.http;

import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The output items of a response while they grow: thoughts, if there are any, and the message. A stream sends text away, so it is kept here
 * as well: the last events repeat it. Not thread-safe.
 */
final class ResponseOutput {
    /** The kinds of items: what their content's part and its events are called. */
    private enum Kind {
        REASONING("rs_", "reasoning_text", "response.reasoning_text"),
        MESSAGE("msg_", "output_text", "response.output_text");

        private final String prefix;
        private final String part;
        private final String events;

        Kind(String prefix, String part, String events) {
            this.prefix = prefix;
            this.part = part;
            this.events = events;
        }
    }

    /** An item and its only part. */
    private static final class Item {
        private final Kind kind;
        private final String id;
        private final StringBuilder text = new StringBuilder();
        private final List<TokenLogprobs> logprobs = new ArrayList<>();
        private String status = "in_progress";

        private Item(Kind kind) {
            this.kind = kind;
            id = kind.prefix + Generator.unique();
        }
    }

    private final ResponsesRenderer renderer;
    private final List<Item> items = new ArrayList<>();
    /** Those of thoughts come with the message, as in a whole answer. */
    private final List<TokenLogprobs> logprobs = new ArrayList<>();

    private @Nullable Item open;

    ResponseOutput(ResponsesRenderer renderer) {
        this.renderer = renderer;
    }

    /** The answer without thoughts. */
    String text() {
        return items.isEmpty() || items.getLast().kind != Kind.MESSAGE
                ? ""
                : items.getLast().text.toString();
    }

    /** Takes a whole answer. */
    void take(Choice choice, String status) {
        boolean thought = !choice.reasoning().isEmpty();
        if (thought) {
            add(Kind.REASONING).text.append(choice.reasoning());
        }
        if (!thought || !choice.text().isEmpty()) {
            Item message = add(Kind.MESSAGE);
            message.text.append(choice.text());
            message.logprobs.addAll(choice.logprobs());
        }
        items.forEach(item -> item.status = itemStatus(item, status));
    }

    private Item add(Kind kind) {
        Item item = new Item(kind);
        items.add(item);
        return item;
    }

    /** An error ended the answer: what there is stays as it is. */
    void breakOff() {
        if (!items.isEmpty()) {
            items.getLast().status = "incomplete";
        }
    }

    /** Only the last item can have been cut short. */
    private String itemStatus(Item item, String status) {
        return status.equals("completed") || item != items.getLast() ? "completed" : "incomplete";
    }

    /** Takes what a choice has to tell, and tells it. */
    void stream(JsonOut out, Choice choice) {
        if (!choice.reasoning().isEmpty()) {
            delta(out, Kind.REASONING, choice.reasoning(), List.of());
        }
        logprobs.addAll(choice.logprobs());
        boolean rest = open != null && open.kind == Kind.MESSAGE && !logprobs.isEmpty();
        if (rest || !choice.text().isEmpty()) {
            delta(out, Kind.MESSAGE, choice.text(), logprobs);
            logprobs.clear();
        }
    }

    private void delta(JsonOut out, Kind kind, CharSequence text, List<TokenLogprobs> entries) {
        Item item = open;
        if (item == null || item.kind != kind) {
            close(out, "completed");
            item = begin(out, kind);
        }
        item.text.append(text);
        item.logprobs.addAll(entries);
        partEvent(out, item, kind.events + ".delta");
        out.raw(",\"delta\":").string(text);
        tellLogprobs(out, kind, entries);
        out.raw("}\n\n");
    }

    private Item begin(JsonOut out, Kind kind) {
        Item item = add(kind);
        open = item;
        itemEvent(out, "response.output_item.added", item, false);
        partEvent(out, item, "response.content_part.added");
        out.raw(",\"part\":");
        part(out, kind, "", List.of());
        out.raw("}\n\n");
        return item;
    }

    /** Tells the end of the last item; an answer without any has an empty message, since clients look at the first. */
    void finish(JsonOut out, String status) {
        if (items.isEmpty()) {
            begin(out, Kind.MESSAGE);
        }
        close(out, status);
    }

    private void close(JsonOut out, String status) {
        Item item = open;
        if (item == null) {
            return;
        }
        open = null;
        partEvent(out, item, item.kind.events + ".done");
        out.raw(",\"text\":").string(item.text);
        tellLogprobs(out, item.kind, item.logprobs);
        out.raw("}\n\n");
        partEvent(out, item, "response.content_part.done");
        out.raw(",\"part\":");
        part(out, item.kind, item.text, item.logprobs);
        out.raw("}\n\n");
        item.status = itemStatus(item, status);
        itemEvent(out, "response.output_item.done", item, true);
    }

    private void itemEvent(JsonOut out, String type, Item item, boolean withContent) {
        renderer.event(out, type);
        out.raw(",\"output_index\":").number(items.indexOf(item)).raw(",\"item\":");
        item(out, item, withContent);
        out.raw("}\n\n");
    }

    private void partEvent(JsonOut out, Item item, String type) {
        renderer.event(out, type);
        out.raw(",\"item_id\":\"").raw(item.id).raw("\",\"output_index\":").number(items.indexOf(item));
        out.raw(",\"content_index\":0");
    }

    private void tellLogprobs(JsonOut out, Kind kind, List<TokenLogprobs> entries) {
        if (kind == Kind.MESSAGE) {
            out.raw(",\"logprobs\":");
            renderer.logprobs(out, entries);
        }
    }

    private void part(JsonOut out, Kind kind, CharSequence text, List<TokenLogprobs> entries) {
        out.raw("{\"type\":\"").raw(kind.part).raw("\",\"text\":").string(text);
        if (kind == Kind.MESSAGE) {
            out.raw(",\"annotations\":[]");
        }
        tellLogprobs(out, kind, entries);
        out.raw("}");
    }

    private void item(JsonOut out, Item item, boolean withContent) {
        out.raw("{\"id\":\"").raw(item.id);
        if (item.kind == Kind.MESSAGE) {
            out.raw("\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"");
        } else {
            out.raw("\",\"type\":\"reasoning\",\"summary\":[],\"status\":\"");
        }
        out.raw(item.status).raw("\",\"content\":[");
        if (withContent) {
            part(out, item.kind, item.text, item.logprobs);
        }
        out.raw("]}");
    }

    /** All items, for the response object. */
    void items(JsonOut out) {
        for (int i = 0; i < items.size(); i++) {
            out.raw(i > 0 ? "," : "");
            item(out, items.get(i), true);
        }
    }
}
