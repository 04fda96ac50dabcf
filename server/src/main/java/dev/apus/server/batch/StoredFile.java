package dev.apus.server.batch;

/**
 * A file that a tenant has sent, or that a batch has made.
 *
 * @param id by which it is asked for; cannot be guessed
 * @param tenant whose it is
 * @param filename as the client called it; shown, and never a path
 * @param purpose {@link #INPUT} or {@link #OUTPUT}
 * @param bytes its length
 * @param createdMillis milliseconds since 1970; no two have the same
 */
public record StoredFile(String id, String tenant, String filename, String purpose, long bytes, long createdMillis) {
    /** Requests to be run. */
    public static final String INPUT = "batch";
    /** Answers or errors. */
    public static final String OUTPUT = "batch_output";
}
