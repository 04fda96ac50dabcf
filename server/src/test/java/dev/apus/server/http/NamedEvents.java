package dev.apus.server.http;

import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The events of a stream that names them: each an {@code event} line and a {@code data} line. */
final class NamedEvents {
    /** One event whose name its data repeat as {@code type}. */
    record Event(String name, JsonNode data) {}

    private NamedEvents() {}

    static List<Event> parse(String body) {
        JsonMapper mapper = new JsonMapper();
        List<Event> events = new ArrayList<>();
        for (String block : body.split("\n\n", -1)) {
            if (block.isEmpty()) {
                continue;
            }
            String[] lines = block.split("\n", -1);
            if (lines.length != 2 || !lines[0].startsWith("event: ") || !lines[1].startsWith("data: ")) {
                throw new AssertionError("not a named event: " + block);
            }
            Event event = new Event(
                    lines[0].substring("event: ".length()), mapper.readTree(lines[1].substring("data: ".length())));
            if (!event.data.path("type").asString().equals(event.name)) {
                throw new AssertionError("the data are of another type: " + block);
            }
            events.add(event);
        }
        return events;
    }
}
