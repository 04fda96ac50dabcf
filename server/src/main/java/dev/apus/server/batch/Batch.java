package dev.apus.server.batch;

import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A batch at one moment. Immutable.
 *
 * @param id by which it is asked for; cannot be guessed
 * @param owner who has ordered it
 * @param order what was ordered
 * @param createdMillis milliseconds since 1970; no two have the same
 * @param expiresMillis when it ends, done or not
 * @param status where it is in its life
 * @param times when it came to each status, in seconds since 1970
 * @param counts of its requests
 * @param errors why it has failed, or what it waits for
 * @param results what it leaves behind; null until its requests are through
 */
public record Batch(
        String id,
        Owner owner,
        Order order,
        long createdMillis,
        long expiresMillis,
        BatchStatus status,
        Map<BatchStatus, Long> times,
        Counts counts,
        List<Problem> errors,
        @Nullable Results results) {
    private static final long MILLIS = 1000;

    /**
     * Who has ordered a batch.
     *
     * @param tenant whose it is
     * @param key name of the key
     * @param models names of the models that the key might use then; empty means all
     */
    public record Owner(String tenant, String key, Set<String> models) {
        public Owner {
            models = Set.copyOf(models);
        }
    }

    /**
     * What was ordered.
     *
     * @param inputFileId the file of the requests
     * @param endpoint the path that all go to
     * @param metadata the client's notes
     */
    public record Order(String inputFileId, String endpoint, Map<String, String> metadata) {
        public Order {
            metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
        }
    }

    /**
     * How many requests there are.
     *
     * @param total all; 0 until they are counted
     * @param completed with an answer
     * @param failed with an error
     */
    public record Counts(int total, int completed, int failed) {
        static final Counts NONE = new Counts(0, 0, 0);
    }

    /**
     * What is wrong with a batch or a line of its file.
     *
     * @param code a word for programs
     * @param message for people
     * @param param the part of the line at fault, if it is one
     * @param line from 1; 0 if it is no line
     */
    public record Problem(
            String code, String message, @Nullable String param, int line) {}

    /**
     * How a batch ends.
     *
     * @param ending its last status
     * @param outputFileId the file of answers; null if there are none
     * @param errorFileId the file of errors; null if there are none
     */
    public record Results(
            BatchStatus ending,
            @Nullable String outputFileId,
            @Nullable String errorFileId) {}

    public Batch {
        times = Map.copyOf(times);
        errors = List.copyOf(errors);
    }

    /** When it came to a status, in seconds since 1970; null if it has not. */
    public @Nullable Long time(BatchStatus of) {
        return times.get(of);
    }

    Batch enter(BatchStatus next, long nowMillis) {
        Map<BatchStatus, Long> more = new EnumMap<>(BatchStatus.class);
        more.putAll(times);
        more.put(next, nowMillis / MILLIS);
        return new Batch(id, owner, order, createdMillis, expiresMillis, next, more, counts, errors, results);
    }

    Batch withCounts(Counts value) {
        return new Batch(id, owner, order, createdMillis, expiresMillis, status, times, value, errors, results);
    }

    Batch withErrors(List<Problem> value) {
        return new Batch(id, owner, order, createdMillis, expiresMillis, status, times, counts, value, results);
    }

    Batch withResults(Results value) {
        return new Batch(id, owner, order, createdMillis, expiresMillis, status, times, counts, errors, value);
    }
}
