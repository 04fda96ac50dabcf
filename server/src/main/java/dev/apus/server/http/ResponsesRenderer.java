package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import dev.apus.scheduler.EngineEvent.TokenLogprobs;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One answer as OpenAI's response object or its stream of events. Not thread-safe. */
final class ResponsesRenderer implements Renderer {
    /**
     * A state of the response that is worth keeping.
     *
     * @param status {@code in_progress} or how it ended
     * @param json the response object
     * @param text the answer without thoughts
     */
    record Snapshot(String status, byte[] json, String text) {}

    private final String id;
    private final byte[] settings;
    private final boolean background;
    private boolean withLogprobs;
    private final LogprobsWriter logprobs;
    private final Consumer<Snapshot> keep;
    private final Consumer<ApiException> failure;
    private final long createdAt = System.currentTimeMillis() / 1000;
    private final ResponseOutput output;

    private int sequence;
    private boolean opened;
    private boolean running;
    private boolean toldRunning;

    /**
     * @param settings members of the response object that repeat the request
     * @param background whether the response waits as queued at first
     * @param keep gets the response's states; on the event loop or the thread that makes the whole answer
     * @param failure gets the error that ends it, likewise
     */
    ResponsesRenderer(
            String id,
            byte[] settings,
            boolean background,
            GenerationSpec spec,
            Tokenizer tokenizer,
            Consumer<Snapshot> keep,
            Consumer<ApiException> failure) {
        this.id = id;
        this.settings = settings;
        this.background = background;
        withLogprobs = spec.logprobs() >= 0;
        logprobs = new LogprobsWriter(tokenizer, false);
        this.keep = keep;
        this.failure = failure;
        output = new ResponseOutput(this);
    }

    /** The response object before there is anything of the answer. */
    byte[] first() {
        return response(new JsonOut(), background ? "queued" : "in_progress", null, null);
    }

    @Override
    public void open(JsonOut out, List<Choice> choices) {
        opened = true;
        stateEvent(out, "response.created", first());
        if (background) {
            stateEvent(out, "response.queued", first());
        } else {
            toldRunning = true;
            stateEvent(out, "response.in_progress", first());
        }
    }

    @Override
    public void running() {
        running = true;
        if (background) {
            keep.accept(new Snapshot("in_progress", response(new JsonOut(), "in_progress", null, null), ""));
        }
    }

    @Override
    public void chunk(JsonOut out, Choice choice) {
        if (running && !toldRunning) {
            toldRunning = true;
            stateEvent(out, "response.in_progress", response(new JsonOut(), "in_progress", null, null));
        }
        output.stream(out, choice);
    }

    @Override
    public void end(JsonOut out, List<Choice> choices) {
        Choice choice = choices.getFirst();
        String status = status(choice);
        output.finish(out, status);
        byte[] json = response(new JsonOut(out.room()), status, choice, null);
        stateEvent(out, status.equals("completed") ? "response.completed" : "response.incomplete", json);
        keep.accept(new Snapshot(status, json, output.text()));
    }

    @Override
    public void error(JsonOut out, ApiException error) {
        if (!opened) {
            open(out, List.of());
        }
        withLogprobs = false;
        stateEvent(out, "response.failed", response(new JsonOut(), "failed", null, error));
    }

    @Override
    public byte[] whole(JsonOut out, List<Choice> choices) {
        Choice choice = choices.getFirst();
        String status = status(choice);
        output.take(choice, status);
        byte[] json = response(out, status, choice, null);
        keep.accept(new Snapshot(status, json, output.text()));
        return json;
    }

    @Override
    public void failed(ApiException error) {
        output.breakOff();
        // They may be what there is too much of.
        withLogprobs = false;
        failure.accept(error);
        keep.accept(new Snapshot("failed", response(new JsonOut(), "failed", null, error), ""));
    }

    /** The events at the end repeat them. */
    @Override
    public boolean keepsLogprobs() {
        return withLogprobs;
    }

    /** How it ended. @throws ApiException if it was aborted and the client did not ask for that */
    private String status(Choice choice) {
        String reason = choice.finishReason();
        if (reason == null || reason.equals("abort")) {
            if (background) {
                return "cancelled";
            }
            throw ApiException.unavailable("the answer was broken off because the server shuts down");
        }
        return reason.equals("length") ? "incomplete" : "completed";
    }

    private void stateEvent(JsonOut out, String type, byte[] response) {
        event(out, type);
        out.raw(",\"response\":").raw(response).raw("}\n\n");
    }

    /** Begins an event; its last members, the closing brace and the empty line are the caller's. */
    void event(JsonOut out, String type) {
        out.raw("event: ").raw(type).raw("\ndata: {\"type\":\"").raw(type);
        out.raw("\",\"sequence_number\":").number(sequence++);
    }

    /** The list of a part's log-probabilities. */
    void logprobs(JsonOut out, List<TokenLogprobs> entries) {
        if (withLogprobs) {
            logprobs.tokens(out, entries);
        } else {
            out.raw("[]");
        }
    }

    /** @param choice gives the usage; null before the end */
    private byte[] response(JsonOut out, String status, @Nullable Choice choice, @Nullable ApiException error) {
        out.raw("{\"id\":\"").raw(id).raw("\",\"object\":\"response\",\"created_at\":");
        out.number(createdAt).raw(",\"status\":\"").raw(status).raw("\",\"completed_at\":");
        out.raw(status.equals("completed") ? Long.toString(System.currentTimeMillis() / 1000) : "null");
        out.raw(",\"error\":");
        if (error == null) {
            out.raw("null");
        } else {
            out.raw("{\"code\":\"")
                    .raw(errorCode(error))
                    .raw("\",\"message\":")
                    .string(error.text())
                    .raw("}");
        }
        out.raw(",\"incomplete_details\":");
        out.raw(status.equals("incomplete") ? "{\"reason\":\"max_output_tokens\"}" : "null");
        out.raw(settings).raw(",\"output\":[");
        output.items(out);
        out.raw("],\"usage\":");
        usage(out, choice);
        return out.raw("}").toBytes();
    }

    private static String errorCode(ApiException error) {
        return error.status() == 429 ? "rate_limit_exceeded" : error.status() < 500 ? "invalid_prompt" : "server_error";
    }

    private static void usage(JsonOut out, @Nullable Choice choice) {
        if (choice == null) {
            out.raw("null");
            return;
        }
        int prompt = choice.prompt().ids().length;
        out.raw("{\"input_tokens\":").number(prompt).raw(",\"input_tokens_details\":{\"cached_tokens\":");
        out.number(choice.cachedTokens()).raw("},\"output_tokens\":").number(choice.completionTokens());
        out.raw(",\"output_tokens_details\":{\"reasoning_tokens\":").number(choice.reasoningTokens());
        out.raw("},\"total_tokens\":")
                .number((long) prompt + choice.completionTokens())
                .raw("}");
    }
}
