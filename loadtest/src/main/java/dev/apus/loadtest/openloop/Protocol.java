package dev.apus.loadtest.openloop;

import dev.apus.loadtest.Target;
import java.util.Locale;

/** How streams come. */
public enum Protocol {
    /** OpenAI's API over HTTP/1.1. */
    SSE,
    /** {@code apus.v1}. */
    GRPC;

    /** As on the command line and in reports. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    StreamClient client(Target target) {
        return switch (this) {
            case SSE -> new SseClient(target);
            case GRPC -> new GrpcClient(target);
        };
    }
}
