package dev.apus.server.http;

import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Lists in OpenAI's form, a page at a time: {@code limit}, {@code order} and {@code after} of the query. */
final class Pages {
    private static final int MOST_QUERY = 32;

    private final Map<String, List<String>> query;

    /** @throws ApiException if the query is none */
    Pages(Exchange exchange) {
        try {
            query = new QueryStringDecoder(exchange.query(), StandardCharsets.UTF_8, false, MOST_QUERY).parameters();
        } catch (IllegalArgumentException e) {
            throw ApiException.badRequest("the query holds a wrong percent escape");
        }
    }

    String one(String name, String absent) {
        return query.getOrDefault(name, List.of(absent)).getFirst();
    }

    /**
     * The page that was asked for.
     *
     * @param all of them, the oldest first
     * @param newestFirst unless the query says otherwise
     */
    <T> byte[] page(
            List<T> all, int usual, int most, boolean newestFirst, Function<T, String> id, Function<T, byte[]> json) {
        int limit = limit(usual, most);
        String order = one("order", newestFirst ? "desc" : "asc");
        if (!order.equals("asc") && !order.equals("desc")) {
            throw ApiException.invalid("order", "'order' must be asc or desc");
        }
        List<T> sorted = order.equals("asc") ? all : new ArrayList<>(all).reversed();
        int from = 0;
        String after = one("after", "");
        if (!after.isEmpty()) {
            while (from < sorted.size() && !id.apply(sorted.get(from)).equals(after)) {
                from++;
            }
            if (from == sorted.size()) {
                throw ApiException.invalid("after", "'after' is the id of nothing in this list");
            }
            from++;
        }
        List<T> page = sorted.subList(from, Math.min(sorted.size(), from + limit));
        JsonOut out = new JsonOut().raw("{\"object\":\"list\",\"data\":[");
        for (int i = 0; i < page.size(); i++) {
            out.raw(i > 0 ? "," : "").raw(json.apply(page.get(i)));
        }
        // OpenAI's clients want strings there even if there is nothing.
        out.raw("],\"first_id\":").string(page.isEmpty() ? "" : id.apply(page.getFirst()));
        out.raw(",\"last_id\":").string(page.isEmpty() ? "" : id.apply(page.getLast()));
        out.raw(",\"has_more\":").raw(Boolean.toString(from + page.size() < sorted.size()));
        return out.raw("}").toBytes();
    }

    private int limit(int usual, int most) {
        try {
            int limit = Integer.parseInt(one("limit", Integer.toString(usual)));
            if (limit >= 1 && limit <= most) {
                return limit;
            }
        } catch (NumberFormatException e) {
            // Refused below with what is out of range.
        }
        throw ApiException.invalid("limit", "'limit' must be an integer from 1 to " + most);
    }
}
