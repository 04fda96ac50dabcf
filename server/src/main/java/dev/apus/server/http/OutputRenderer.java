package dev.apus.server.http;

import java.util.List;

/** Hands an answer to a {@link CallOutput}, which sends it itself: nothing is appended here. */
final class OutputRenderer implements Renderer {
    private static final byte[] NOTHING = {};

    private final CallOutput output;
    private final OutputSink sink;
    private final GenerationSpec spec;

    /** @param sink is told of an error that ends the answer */
    OutputRenderer(CallOutput output, OutputSink sink, GenerationSpec spec) {
        this.output = output;
        this.sink = sink;
        this.spec = spec;
    }

    @Override
    public void chunk(JsonOut out, Choice choice) {
        output.part(new Part(choice));
    }

    @Override
    public void end(JsonOut out, List<Choice> choices) {
        output.end(usage(choices));
    }

    @Override
    public void error(JsonOut out, ApiException error) {
        // The sink tells of it.
    }

    @Override
    public byte[] whole(JsonOut out, List<Choice> choices) {
        // The messages that are made of it.
        choices.forEach(choice -> out.room().grow(choice.pendingBytes()));
        output.whole(choices.stream().map(Part::new).toList(), usage(choices));
        return NOTHING;
    }

    @Override
    public void failed(ApiException error) {
        sink.failed(error);
    }

    /** The choices of one prompt count its tokens once. */
    private CallOutput.Usage usage(List<Choice> choices) {
        int prompt = 0;
        int completion = 0;
        int cached = 0;
        for (Choice choice : choices) {
            completion += choice.completionTokens();
            if (choice.index() % spec.sequences() == 0) {
                prompt += choice.prompt().ids().length;
                cached += choice.cachedTokens();
            }
        }
        return new CallOutput.Usage(prompt, completion, cached);
    }
}
