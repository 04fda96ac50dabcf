package dev.apus.server.http;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Of a call's head, which is never answered through its exchange. */
final class NoOutput implements CallOutput {
    static final NoOutput INSTANCE = new NoOutput();

    private NoOutput() {}

    @Override
    public void begin(String answerId) {}

    @Override
    public void part(Part part) {}

    @Override
    public void end(Usage usage) {}

    @Override
    public void whole(List<Part> parts, Usage usage) {}

    @Override
    public void done(@Nullable ApiException error, Runnable left) {
        left.run();
    }
}
