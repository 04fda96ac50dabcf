package dev.apus.server.batch;

import java.util.Locale;

/** Where a batch is in its life, under OpenAI's names. */
public enum BatchStatus {
    VALIDATING,
    IN_PROGRESS,
    FINALIZING,
    COMPLETED,
    FAILED,
    EXPIRED,
    CANCELLING,
    CANCELLED;

    /** OpenAI's word. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether nothing more happens. */
    public boolean isEnd() {
        return switch (this) {
            case COMPLETED, FAILED, EXPIRED, CANCELLED -> true;
            case VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING -> false;
        };
    }
}
