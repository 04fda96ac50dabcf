package dev.apus.server.http;

import dev.apus.server.http.StoredResponse.State;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Takes one response's states to the store. One whose client waits for it is kept when it has ended well; one that runs in the background
 * from its beginning.
 */
final class ResponseKeeper implements Consumer<ResponsesRenderer.Snapshot> {
    private final ResponseStore store;
    private final String id;
    private final String tenant;
    private final ResponseItems input;
    private final @Nullable ResponseTurn before;
    private final boolean stores;
    private volatile @Nullable StoredResponse running;

    /**
     * @param before what the response goes on with, if anything
     * @param stores whether it is to be kept at all
     */
    ResponseKeeper(
            ResponseStore store,
            String id,
            String tenant,
            ResponseItems input,
            @Nullable ResponseTurn before,
            boolean stores) {
        this.store = store;
        this.id = id;
        this.tenant = tenant;
        this.input = input;
        this.before = before;
        this.stores = stores;
    }

    /**
     * Keeps a response that has no answer yet.
     *
     * @param json the response object
     * @param log its stream's events, if it has a stream
     * @throws ApiException if the store has no room for it
     */
    StoredResponse begin(byte[] json, @Nullable ResponseLog log) {
        StoredResponse response =
                new StoredResponse(id, tenant, input.items(), log, new State("queued", json, null), store.now());
        running = response;
        if (!store.put(response)) {
            throw ApiException.unavailable(
                    "there is no room to keep one more response that runs in the background; wait until others have ended");
        }
        return response;
    }

    @Override
    public void accept(ResponsesRenderer.Snapshot snapshot) {
        StoredResponse response = running;
        State state = new State(snapshot.status(), snapshot.json(), turn(snapshot));
        if (response != null) {
            if (response.state(state)) {
                store.update(response);
            }
        } else if (stores && !snapshot.status().equals("failed")) {
            store.put(new StoredResponse(id, tenant, input.items(), null, state, store.now()));
        }
    }

    /** The log has grown: if there is no room for that, it goes. */
    void grown() {
        StoredResponse response = running;
        if (response != null && !store.update(response)) {
            ResponseLog log = response.log();
            if (log != null) {
                log.drop();
                store.update(response);
            }
        }
    }

    private @Nullable ResponseTurn turn(ResponsesRenderer.Snapshot snapshot) {
        if (!stores
                || !(snapshot.status().equals("completed") || snapshot.status().equals("incomplete"))) {
            return null;
        }
        List<Map<String, String>> messages = new ArrayList<>(input.messages());
        messages.add(ResponseItems.message("assistant", snapshot.text()));
        return new ResponseTurn(before, messages);
    }
}
