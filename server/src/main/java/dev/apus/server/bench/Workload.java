package dev.apus.server.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The requests of a benchmark: random ones, or those of a file. */
public final class Workload {
    /** Ids below are left out: they are special tokens or bytes in most vocabularies. */
    private static final int FIRST_ID = 1000;

    private Workload() {}

    /**
     * Random token ids.
     *
     * @param input mean prompt length
     * @param output mean output length
     * @param range lengths are uniform in {@code [length (1 - range), length (1 + range)]}
     * @param prefix tokens that all prompts share, in front of the {@code input} others
     * @param vocabSize ids are below it
     */
    public static List<BenchRequest> random(
            int count, int input, int output, double range, int prefix, int vocabSize, long seed) {
        if (input + prefix < 1 || output < 1 || range < 0 || range >= 1) {
            throw new IllegalArgumentException("input length " + input + " + prefix " + prefix + ", output length "
                    + output + " and range ratio " + range + ": lengths must be at least 1, the ratio in [0, 1)");
        }
        SplittableRandom random = new SplittableRandom(seed);
        int[] shared = ids(prefix, vocabSize, random);
        List<BenchRequest> requests = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int length = around(input, range, random);
            int[] prompt = new int[prefix + length];
            System.arraycopy(shared, 0, prompt, 0, prefix);
            System.arraycopy(ids(length, vocabSize, random), 0, prompt, prefix, length);
            requests.add(new BenchRequest(prompt, null, Math.max(1, around(output, range, random))));
        }
        return requests;
    }

    private static int around(int mean, double range, RandomGenerator random) {
        int low = (int) Math.floor(mean * (1 - range));
        int high = (int) Math.ceil(mean * (1 + range));
        return low == high ? mean : random.nextInt(low, high + 1);
    }

    /** {@code count} random ids. */
    static int[] ids(int count, int vocabSize, RandomGenerator random) {
        int first = Math.min(FIRST_ID, vocabSize / 2);
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = random.nextInt(first, vocabSize);
        }
        return ids;
    }

    /**
     * Requests of a file of JSON lines: {@code prompt} (text, or token ids) or {@code prompt_len} (so many random ids), and
     * {@code output_len} or {@code max_tokens}; or of a ShareGPT file, a JSON array whose entries hold {@code conversations}: the first
     * turn is the prompt, and the output is as long as {@code output} says.
     *
     * @param most requests to take; the file is read again from its start if it has fewer and {@code most} is positive; 0 takes all once
     * @param output output length of requests that do not say theirs
     * @throws IllegalArgumentException if a line is not understood; it names the line
     */
    public static List<BenchRequest> read(Path file, int most, int output, int vocabSize, long seed)
            throws IOException {
        String text = Files.readString(file, StandardCharsets.UTF_8);
        List<BenchRequest> all = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(seed);
        if (text.stripLeading().startsWith("[")) {
            int at = 0;
            for (JsonNode entry : parse(text, file + "")) {
                JsonNode turns = entry.path("conversations");
                at++;
                if (turns.isArray()
                        && !turns.isEmpty()
                        && turns.get(0).path("value").isString()) {
                    all.add(new BenchRequest(
                            new int[0], turns.get(0).path("value").stringValue(), output));
                } else if (entry.isObject() && !entry.has("conversations")) {
                    all.add(request(entry, file + ", entry " + at, output, vocabSize, random));
                }
            }
        } else {
            int number = 0;
            for (String line : text.lines().toList()) {
                number++;
                if (!line.isBlank()) {
                    String where = file + ", line " + number;
                    all.add(request(parse(line, where), where, output, vocabSize, random));
                }
            }
        }
        if (all.isEmpty()) {
            throw new IllegalArgumentException(file + " holds no request");
        }
        List<BenchRequest> taken = new ArrayList<>();
        for (int i = 0; i < (most > 0 ? most : all.size()); i++) {
            taken.add(all.get(i % all.size()));
        }
        return taken;
    }

    private static JsonNode parse(String text, String where) {
        try {
            return JsonMapper.shared().readTree(text);
        } catch (JacksonException e) {
            throw new IllegalArgumentException(where + ": no JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static BenchRequest request(
            JsonNode entry, String where, int output, int vocabSize, RandomGenerator random) {
        JsonNode prompt = entry.path("prompt");
        int tokens = entry.path("output_len").asInt(entry.path("max_tokens").asInt(output));
        if (tokens < 1) {
            throw new IllegalArgumentException(where + ": output_len is " + tokens + ", must be at least 1");
        }
        if (prompt.isString()) {
            return new BenchRequest(new int[0], prompt.stringValue(), tokens);
        }
        if (prompt.isArray() && !prompt.isEmpty()) {
            int[] ids = new int[prompt.size()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = prompt.get(i).asInt(-1);
                if (ids[i] < 0 || ids[i] >= vocabSize) {
                    throw new IllegalArgumentException(
                            where + ": prompt[" + i + "] is " + prompt.get(i) + ", not an id below " + vocabSize);
                }
            }
            return new BenchRequest(ids, null, tokens);
        }
        int length = entry.path("prompt_len").asInt(0);
        if (length < 1) {
            throw new IllegalArgumentException(where + ": needs prompt (text or token ids) or prompt_len (1 or more)");
        }
        return new BenchRequest(ids(length, vocabSize, random), null, tokens);
    }
}
