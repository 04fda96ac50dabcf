package dev.apus.server.http;

import dev.apus.scheduler.DeadlineException;
import dev.apus.scheduler.QueueFullException;
import dev.apus.server.auth.QuotaException;
import java.util.Locale;

/** Why a request was not let into the engine: the {@code reason} of {@code vllm:admission_rejections}. */
enum Refusal {
    /** As many requests wait as may. */
    QUEUE_FULL,
    /** As many prompt tokens are queued as may be. */
    QUEUED_TOKENS,
    /** By prediction it would be served past its deadline. */
    DEADLINE,
    /** Its tenant has used its quota. */
    RATE_LIMIT;

    /** As metrics have it. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Counts what a submission has thrown, and says what the client is told.
     *
     * @throws RuntimeException the cause itself if it is no refusal
     */
    static ApiException told(RuntimeException cause, ServerMetrics metrics) {
        return switch (cause) {
            case QueueFullException full -> {
                boolean tokens = full.limit() == QueueFullException.Limit.TOKENS;
                metrics.rejected(tokens ? QUEUED_TOKENS : QUEUE_FULL);
                yield new ApiException(
                        429, "the server is busy: " + full.getMessage(), null, "queue_full", full.retryAfterSeconds());
            }
            case DeadlineException late -> {
                metrics.rejected(DEADLINE);
                yield new ApiException(
                        503,
                        "the server is busy: " + late.getMessage(),
                        null,
                        "deadline_unreachable",
                        late.retryAfterSeconds());
            }
            case QuotaException quota -> {
                metrics.rejected(RATE_LIMIT);
                yield Access.rateLimited(quota);
            }
            case IllegalArgumentException wrong -> ApiException.badRequest(String.valueOf(wrong.getMessage()));
            case IllegalStateException closed -> ApiException.unavailable(String.valueOf(closed.getMessage()));
            default -> throw cause;
        };
    }
}
