package dev.apus.server.tracing;

import org.jspecify.annotations.Nullable;

/**
 * Which traces are recorded, by OpenTelemetry's names.
 *
 * @param parentBased whether a trace that comes from elsewhere is recorded if it is there
 * @param ratio share of the others, 0 to 1
 */
public record Sampler(boolean parentBased, double ratio) {
    private static final String NAMES =
            "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio";

    /**
     * Reads {@code OTEL_TRACES_SAMPLER} and its argument.
     *
     * @param name null for OpenTelemetry's default, parentbased_always_on
     * @param argument the ratio; null for 1
     * @throws IllegalArgumentException naming what is wrong
     */
    static Sampler of(@Nullable String name, @Nullable String argument) {
        String known = name == null ? "parentbased_always_on" : name;
        boolean parentBased = known.startsWith("parentbased_");
        String root = parentBased ? known.substring("parentbased_".length()) : known;
        return switch (root) {
            case "always_on" -> new Sampler(parentBased, 1);
            case "always_off" -> new Sampler(parentBased, 0);
            case "traceidratio" -> new Sampler(parentBased, ratio(argument));
            default -> throw new IllegalArgumentException("OTEL_TRACES_SAMPLER is '" + known + "', must be " + NAMES);
        };
    }

    private static double ratio(@Nullable String argument) {
        try {
            double ratio = argument == null ? 1 : Double.parseDouble(argument);
            if (ratio >= 0 && ratio <= 1) {
                return ratio;
            }
        } catch (NumberFormatException e) {
            // Refused below, like a number out of range.
        }
        throw new IllegalArgumentException(
                "OTEL_TRACES_SAMPLER_ARG is '" + argument + "', must be a number from 0 to 1");
    }

    /** The place of a request's span below {@code parent}, or of a trace of its own; it is not sampled if it is not to be recorded. */
    public TraceContext place(@Nullable TraceContext parent) {
        TraceContext own = parent == null ? TraceContext.root() : parent.child();
        boolean sampled = (parent != null && parentBased) ? parent.sampled() : isWithinRatio(own.traceLow());
        return new TraceContext(own.traceHigh(), own.traceLow(), own.span(), sampled, own.state());
    }

    /** By the id, so that all services with the same ratio choose the same traces. */
    private boolean isWithinRatio(long random) {
        return ratio >= 1 || (random & Long.MAX_VALUE) < ratio * Long.MAX_VALUE;
    }
}
