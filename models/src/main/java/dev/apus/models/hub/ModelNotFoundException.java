package dev.apus.models.hub;

import java.util.List;

/** No source had the model; the message lists each source that was tried and why it failed. */
public final class ModelNotFoundException extends HubException {
    private static final long serialVersionUID = 1L;

    private final transient List<Attempt> attempts;

    /**
     * One source that was asked in vain.
     *
     * @param source a folder, an address or a command
     * @param reason why it did not give the model
     */
    public record Attempt(String source, String reason) {}

    /** A list of {@code attempts} under the name of the model, in the order they were made. */
    public ModelNotFoundException(String model, List<Attempt> attempts) {
        super(message(model, attempts));
        this.attempts = List.copyOf(attempts);
    }

    /** What was tried, in order. */
    public List<Attempt> attempts() {
        return attempts;
    }

    private static String message(String model, List<Attempt> attempts) {
        StringBuilder out = new StringBuilder("model ")
                .append(Names.quote(model))
                .append(" could not be had from anywhere; tried:");
        for (Attempt attempt : attempts) {
            out.append("\n  - ").append(attempt.source()).append(": ").append(attempt.reason());
        }
        return out.toString();
    }
}
