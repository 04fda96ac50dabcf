package dev.apus.models.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A tiktoken vocabulary: lines of a token's bytes in base64, a space, and its rank, which is its id and the order of merging.
 *
 * @param tokens tokens by id in {@link ByteAlphabet}, null where an id has none
 */
record TiktokenRanks(@Nullable String[] tokens) {
    /** Deriving merges takes time by the square of a token's length; the longest known are runs of 128 characters. */
    private static final int MAX_TOKEN_BYTES = 1024;
    /** The largest known vocabulary has 200 thousand. */
    private static final int MAX_RANK = 4_000_000;

    /** @throws TokenizerException if a line is not such a pair, repeats one, or a single byte has no token */
    static TiktokenRanks parse(String source, byte[] file) {
        @Nullable String[] tokens = new String[1024];
        Map<String, Integer> ranks = new HashMap<>();
        int top = 0;
        int number = 0;
        for (String line : new String(file, StandardCharsets.ISO_8859_1).lines().toList()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            int rank = rank(line);
            byte[] bytes = bytes(line);
            if (bytes.length == 0 || bytes.length > MAX_TOKEN_BYTES || rank < 0 || rank > MAX_RANK) {
                throw new TokenizerException(
                        source + ": not a tiktoken vocabulary, or damaged: line " + number + " is \""
                                + line.substring(0, Math.min(60, line.length())) + "\"; needed is a token of 1 to "
                                + MAX_TOKEN_BYTES
                                + " bytes in base64, a space and a rank from 0 to " + MAX_RANK);
            }
            if (rank >= tokens.length) {
                tokens = Arrays.copyOf(tokens, Math.max(rank + 1, 2 * tokens.length));
            }
            String token = ByteAlphabet.write(bytes);
            Integer twin = ranks.putIfAbsent(token, rank);
            if (twin != null || tokens[rank] != null) {
                throw new TokenizerException(
                        source + ": line " + number + " repeats the token or the rank of another line, " + rank);
            }
            tokens[rank] = token;
            top = Math.max(top, rank + 1);
        }
        for (int b = 0; b < 256; b++) {
            if (!ranks.containsKey(String.valueOf(ByteAlphabet.character(b)))) {
                throw new TokenizerException(source + ": no token is the single byte " + b
                        + "; a tiktoken vocabulary needs all 256, or some texts could not be written");
            }
        }
        return new TiktokenRanks(Arrays.copyOf(tokens, top));
    }

    private static byte[] bytes(String line) {
        try {
            return Base64.getDecoder().decode(line.substring(0, Math.max(0, line.indexOf(' '))));
        } catch (IllegalArgumentException _) {
            return new byte[0];
        }
    }

    private static int rank(String line) {
        try {
            return Integer.parseInt(line.substring(line.indexOf(' ') + 1).strip());
        } catch (NumberFormatException _) {
            return -1;
        }
    }

    /** tiktoken joins the pair whose whole has the lowest rank: every way to build a token from two, by its rank. */
    List<String> merges() {
        Map<String, Integer> ranks = HashMap.newHashMap(tokens.length);
        for (int rank = 0; rank < tokens.length; rank++) {
            String token = tokens[rank];
            if (token != null) {
                ranks.put(token, rank);
            }
        }
        List<String> merges = new ArrayList<>(2 * tokens.length);
        for (String token : tokens) {
            if (token == null) {
                continue;
            }
            List<Pair> pairs = new ArrayList<>();
            for (int cut = 1; cut < token.length(); cut++) {
                Integer left = ranks.get(token.substring(0, cut));
                Integer right = left == null ? null : ranks.get(token.substring(cut));
                if (left != null && right != null) {
                    pairs.add(new Pair(left, right, cut));
                }
            }
            pairs.sort(Comparator.comparingInt(Pair::left).thenComparingInt(Pair::right));
            for (Pair pair : pairs) {
                merges.add(token.substring(0, pair.cut) + " " + token.substring(pair.cut));
            }
        }
        return merges;
    }

    private record Pair(int left, int right, int cut) {}
}
