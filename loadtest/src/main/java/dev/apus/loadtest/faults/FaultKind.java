package dev.apus.loadtest.faults;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Ways to behave, badly most of them. */
public enum FaultKind {
    /** Reads a part of a stream and goes. */
    KILLED,
    /** Reads a few bytes at a time. */
    SLOW_READER,
    /** Reads nothing for 40 s. */
    DEAF,
    /** Ends its sending side before the answer has come. */
    HALF_CLOSED,
    /** Goes within its request. */
    LEAVES_EARLY,
    /** Body, headers or prompt too large. */
    OVERSIZED,
    /** Broken JSON, wrong types, deep nesting, noise in place of HTTP. */
    MALFORMED,
    /** A key that nobody has; only where keys are asked for. */
    WRONG_KEY,
    /** Resets streams of an HTTP/2 connection. */
    HTTP2_RESET,
    /** Cancels calls of gRPC; gRPC is Apus' own. */
    GRPC_CANCEL,
    /** Calls of gRPC with very short deadlines. */
    GRPC_DEADLINE,
    /** A call of gRPC that is let be. */
    GRPC_WHOLE,
    /** A request that is not streamed, with several choices. */
    WHOLE;

    /** As on the command line. */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** @throws IllegalArgumentException if there is none of that name */
    public static FaultKind of(String label) {
        return Arrays.stream(values())
                .filter(kind -> kind.label().equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("--faults has '" + label + "'; known are " + labels()));
    }

    /** All names. */
    public static List<String> labels() {
        return Arrays.stream(values()).map(FaultKind::label).toList();
    }
}
