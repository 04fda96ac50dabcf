package dev.apus.server.batch;

import dev.apus.server.batch.Batch.Problem;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** Goes through all requests of a batch before the first one is run. Used once. */
final class Validation {
    /** More of them would only repeat what the first ones tell. */
    private static final int MOST_PROBLEMS = 100;

    private final BatchOptions options;
    private final BatchWork work;
    private final Batch batch;
    private final List<Problem> problems = new ArrayList<>();
    private final Set<Digest> seen = new HashSet<>();
    private int requests;

    /** Of a name: names may be long, and there are many. */
    private record Digest(long high, long low) {
        static Digest of(String text) {
            try {
                MessageDigest sha = MessageDigest.getInstance("SHA-256");
                ByteBuffer bytes = ByteBuffer.wrap(sha.digest(text.getBytes(StandardCharsets.UTF_16BE)));
                return new Digest(bytes.getLong(), bytes.getLong());
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every JDK has SHA-256", e);
            }
        }
    }

    Validation(BatchOptions options, BatchWork work, Batch batch) {
        this.options = options;
        this.work = work;
        this.batch = batch;
    }

    /** @param stopped whether it is to break off; then what it tells is of no use */
    void run(LineReader lines, BooleanSupplier stopped) throws IOException {
        BatchLine.Parser parser = new BatchLine.Parser(options.maxLineBytes());
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            if (stopped.getAsBoolean() || problems.size() >= MOST_PROBLEMS) {
                return;
            }
            if (lines.isTooLong()) {
                problems.add(new Problem(
                        "line_too_long",
                        "the line is longer than " + options.maxLineBytes() + " bytes",
                        null,
                        lines.number()));
            } else if (!BatchLine.isBlank(line)) {
                requests++;
                if (requests > options.maxLines()) {
                    problems.add(new Problem(
                            "too_many_requests",
                            "the file has more than " + options.maxLines() + " requests; send several batches",
                            null,
                            lines.number()));
                    return;
                }
                check(parser, line, lines.number());
            }
        }
        if (requests == 0 && problems.isEmpty()) {
            problems.add(new Problem("empty_file", "the file holds no requests", null, 0));
        }
    }

    private void check(BatchLine.Parser parser, byte[] text, int number) {
        try {
            BatchLine line = parser.parse(text, number, batch.order().endpoint());
            if (!seen.add(Digest.of(line.customId()))) {
                problems.add(new Problem(
                        "duplicate_custom_id",
                        "the 'custom_id' of this line is another line's, too",
                        "custom_id",
                        number));
            }
            Problem model = work.checkModel(batch.owner(), line.model(), number);
            if (model != null) {
                problems.add(model);
            }
        } catch (BatchLine.Refused e) {
            problems.add(e.problem());
        }
    }

    /** What is wrong; empty if nothing is. */
    List<Problem> problems() {
        return problems;
    }

    int requests() {
        return requests;
    }
}
