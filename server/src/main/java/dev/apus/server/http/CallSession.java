package dev.apus.server.http;

import dev.apus.scheduler.ServedModel;
import io.netty.handler.codec.http.HttpRequest;
import java.util.Collection;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A call of a protocol that is not HTTP's own: it was let in, takes its part of the memory for requests, and asks the engine for any number
 * of answers. Methods that ask run on a thread that may block; the others say where they run.
 */
public final class CallSession {
    /** A byte of a message, as bytes, as text, as the value of a parameter and in the prompt. */
    private static final int PER_BYTE = 16;
    /** An id in a list of parameters, and in what it becomes. */
    private static final int PER_ID = 64;

    /** Requests of a stream of which more is kept than metrics. */
    private static final int MOST_RECORDS = 256;

    private final FrontEnd front;
    private final Caller caller;
    private final HttpRequest request;
    private final Route route;
    private final MemoryBudget.Share memory;
    private final Exchange head;
    /** What of the memory is for messages that the service reads. */
    private final AtomicLong reading = new AtomicLong();

    private final Set<Exchange> running = ConcurrentHashMap.newKeySet();
    private final RequestWatch watch;
    private final Queue<RequestRecord> records = new ConcurrentLinkedQueue<>();
    private final AtomicInteger recorded = new AtomicInteger();
    /** The call, and what the engine does for it. */
    private final AtomicInteger open = new AtomicInteger(1);

    private volatile @Nullable Runnable settled;
    private volatile boolean gone;

    CallSession(FrontEnd front, Caller caller, HttpRequest request, Route route, MemoryBudget.Share memory) {
        this.front = front;
        this.caller = caller;
        this.request = request;
        this.route = route;
        this.memory = memory;
        head = new Exchange(
                new OutputSink(caller, NoOutput.INSTANCE, exchange -> {}),
                request,
                front.dispatcher().memory(),
                RequestWatch.NONE);
        watch = front.dispatcher().reports().within(this);
    }

    /** @throws ApiException if the caller may not ask */
    void check() {
        front.dispatcher().check(head, route);
    }

    /** The id that the client gave, or one made here: for logs and for the answer's headers. */
    public String requestId() {
        return head.requestId();
    }

    /** To whom the call is accounted. */
    public String tenant() {
        return head.principal().tenant();
    }

    /** Takes memory for so many bytes of a message; false if the requests at hand have taken all, or the call is closed. Any thread. */
    public boolean tryTake(long bytes) {
        return memory.tryTake(bytes * PER_BYTE);
    }

    /** The service reads a message of so many bytes, for which memory was taken; {@link #giveBack} frees it. Any thread. */
    public void reading(long bytes) {
        reading.addAndGet(bytes * PER_BYTE);
    }

    /**
     * Takes memory for a list of token ids, as a part of the message that is being read. Any thread.
     *
     * @throws ApiException if there is not enough
     */
    public void takeIds(int count) {
        takeParsed((long) count * PER_ID);
    }

    /**
     * Takes bytes of heap for what the message that is being read becomes. Any thread.
     *
     * @throws ApiException if there is not enough
     */
    public void takeParsed(long bytes) {
        memory.take(bytes);
        reading.addAndGet(bytes);
    }

    /** The messages that were being read are not needed any more; those that come are not touched. Any thread. */
    public void giveBack() {
        memory.release(reading.getAndSet(0));
    }

    /** Takes bytes of an answer, from when they are written until they have left; they are felt by the requests to come. Any thread. */
    public void takeForAnswer(long bytes) {
        front.dispatcher().memory().takeForAnswer(bytes);
        unread(bytes);
    }

    /** The bytes of the answer have left or never will. Any thread. */
    public void giveBackAnswer(long bytes) {
        front.dispatcher().memory().giveBackAnswer(bytes);
        unread(-bytes);
    }

    private void unread(long bytes) {
        ConnectionMemory connection = ConnectionMemory.of(caller.connection());
        if (connection != null) {
            connection.unread(bytes);
        }
    }

    /**
     * Starts the answer to a chat.
     *
     * @param parameters of {@code /v1/chat/completions}
     * @return what ends it early
     * @throws ApiException if they are wrong, or the server takes no more; then the output hears nothing
     */
    public Runnable chat(ObjectNode parameters, CallOutput output) {
        return start(parameters, output, front.generation()::chat);
    }

    /**
     * Starts the continuation of a text.
     *
     * @param parameters of {@code /v1/completions}
     * @return what ends it early
     * @throws ApiException if they are wrong, or the server takes no more; then the output hears nothing
     */
    public Runnable completion(ObjectNode parameters, CallOutput output) {
        return start(parameters, output, front.generation()::completion);
    }

    /**
     * Vectors of texts.
     *
     * @param rows a vector of each
     * @param tokens of all texts together
     */
    public record Vectors(List<float[]> rows, long tokens) {}

    /**
     * Vectors of texts; waits for them.
     *
     * @param parameters of {@code /v1/embeddings}
     * @throws ApiException if they are wrong, the server takes no more, or the caller has gone
     */
    public Vectors embed(ObjectNode parameters) {
        Exchange exchange = new Exchange(
                new OutputSink(caller, NoOutput.INSTANCE, this::answered),
                request,
                front.dispatcher().memory(),
                watch);
        front.dispatcher().admit(exchange, route);
        open.incrementAndGet();
        running.add(exchange);
        boolean done = false;
        try {
            if (gone) {
                throw ApiException.unavailable("the caller has gone");
            }
            Vectors vectors = front.pooling().embed(exchange, new Fields(parameters));
            exchange.respondJson(200, new byte[0]);
            done = true;
            return vectors;
        } finally {
            exchange.memory().close();
            if (!done) {
                // What was counted when it was let in.
                caller.loop().execute(() -> forget(exchange));
            }
        }
    }

    private interface Starter {
        void start(Exchange exchange, Fields fields, GenerationRoutes.Form form);
    }

    private Runnable start(ObjectNode parameters, CallOutput output, Starter starter) {
        OutputSink sink = new OutputSink(caller, output, this::answered);
        Exchange exchange = new Exchange(sink, request, front.dispatcher().memory(), watch);
        front.dispatcher().admit(exchange, route);
        open.incrementAndGet();
        running.add(exchange);
        boolean started = false;
        try {
            FrontEnd.reading(() -> starter.start(exchange, new Fields(parameters), (id, spec) -> {
                output.begin(id);
                return new OutputRenderer(output, sink, spec);
            }));
            started = true;
        } finally {
            if (!started) {
                // What was counted when it was let in.
                caller.loop().execute(() -> forget(exchange));
            }
        }
        if (gone) {
            caller.loop().execute(() -> forget(exchange));
        }
        return exchange::abort;
    }

    private void answered(Exchange exchange) {
        running.remove(exchange);
    }

    /** A part of the call is over. */
    void settled(Exchange exchange) {
        records.add(exchange.record());
        if (recorded.incrementAndGet() > MOST_RECORDS) {
            // A stream of requests may have no end.
            records.poll();
        }
        end();
    }

    /** The call has ended; {@code then} runs once the engine has ended all it did for it. */
    void whenSettled(Runnable then) {
        settled = then;
        end();
    }

    private void end() {
        Runnable action = settled;
        if (open.decrementAndGet() == 0 && action != null) {
            action.run();
        }
    }

    /** The request that the call's parts share. */
    Exchange head() {
        return head;
    }

    /** What is known of the call's last parts that are over. */
    Collection<RequestRecord> records() {
        return records;
    }

    private void forget(Exchange exchange) {
        running.remove(exchange);
        exchange.disconnected();
    }

    /**
     * Tokens of a text or a rendered chat.
     *
     * @param parameters of {@code /tokenize}
     * @throws ApiException if they are wrong
     */
    public int[] tokenize(ObjectNode parameters) {
        Fields fields = new Fields(parameters);
        InfoRoutes.checkModel(front.model(), fields.string("model"));
        boolean chat = fields.has("messages");
        boolean special = fields.bool("add_special_tokens", !chat);
        String[] text = new String[1];
        FrontEnd.reading(() -> text[0] = chat ? front.chats().render(fields) : fields.requiredString("prompt"));
        return front.encoder().any(head, chat ? "messages" : "prompt", text[0], special);
    }

    /**
     * Text of tokens, special tokens included.
     *
     * @throws ApiException if there are too many or one is none of the model's
     */
    public String detokenize(int[] ids) {
        ServedModel model = front.model();
        Fields.checkSize("token_ids", ids.length, model.maxModelLength());
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= model.vocabSize()) {
                throw ApiException.invalid(
                        "token_ids",
                        "'token_ids[" + i + "]' is " + Integer.toUnsignedString(ids[i]) + ", must be 0 to "
                                + (model.vocabSize() - 1));
            }
        }
        return model.tokenizer().decode(ids, false);
    }

    /** @throws ApiException if the request names another model than the one served; an empty name means that one */
    public void checkModel(String name) {
        InfoRoutes.checkModel(front.model(), name.isEmpty() ? null : name);
    }

    /** The caller takes more. On the event loop. */
    public void writable() {
        running.forEach(Exchange::writable);
    }

    /** The caller has gone, or the call has ended: what runs for it is aborted. On the event loop. */
    public void gone() {
        gone = true;
        head.disconnected();
        for (Exchange exchange : running) {
            forget(exchange);
        }
    }

    /** The service does nothing more for the call: its memory is free. Any thread. */
    public void close() {
        memory.close();
    }
}
