package dev.apus.server.http;

/**
 * What an answer takes of the memory for requests while it is made: log-probabilities that wait to be sent or shown, and the JSON that they
 * become. Taken in pieces, so that a token costs an addition. Thread-safe.
 */
final class AnswerMemory implements JsonOut.Room {
    /** A bound of what is taken too early; large beside the cost of taking. */
    private static final int PIECE = 16 << 10;

    private final MemoryBudget budget;
    private final MemoryBudget.Share share;
    private long used;
    private long taken;

    AnswerMemory(MemoryBudget budget) {
        this.budget = budget;
        share = budget.share();
    }

    /** @throws ApiException if the budget is spent, or the answer has ended */
    @Override
    public synchronized void grow(long bytes) {
        long missing = used + bytes - taken;
        if (missing > 0) {
            long more = (missing + PIECE - 1) / PIECE * PIECE;
            if (!share.tryTake(more)) {
                throw tooMuch(taken + more);
            }
            taken += more;
        }
        used += bytes;
    }

    private ApiException tooMuch(long wanted) {
        // One that needs half of all by itself would not do better later.
        boolean alone = wanted > budget.most() / 2;
        return new ApiException(
                alone ? 413 : 503,
                "the answer takes about " + wanted + " bytes of the server's memory, which has " + budget.most()
                        + " for all requests" + (alone ? "" : " at hand")
                        + "; ask for fewer log-probabilities, choices or tokens, or for a stream",
                null,
                alone ? "answer_too_large" : "service_unavailable",
                alone ? 0 : 5);
    }

    /** What was taken is kept for what grows next. */
    @Override
    public synchronized void shrink(long bytes) {
        used -= bytes;
    }

    /** The answer has ended: gives all back. */
    void close() {
        share.close();
    }
}
