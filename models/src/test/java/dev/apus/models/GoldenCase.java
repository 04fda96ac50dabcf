package dev.apus.models;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** One recorded run of a reference implementation. */
record GoldenCase(int[] prompt, float[] lastLogits, float[] promptLogprobs, int[] greedy, float[] greedyMargins) {
    /** The cases of a golden.json, or of one file's part of it. */
    static List<GoldenCase> of(Map<?, ?> golden) {
        List<GoldenCase> out = new ArrayList<>();
        for (Object item : list(golden, "cases")) {
            Map<?, ?> map = (Map<?, ?>) item;
            out.add(new GoldenCase(
                    ints(list(map, "prompt")),
                    floats(list(map, "last_logits")),
                    floats(list(map, "prompt_logprobs")),
                    ints(list(map, "greedy")),
                    floats(list(map, "greedy_margins"))));
        }
        return out;
    }

    private static List<?> list(Map<?, ?> map, String key) {
        return (List<?>) Objects.requireNonNull(map.get(key), key);
    }

    private static int[] ints(List<?> values) {
        if (!values.isEmpty() && values.getFirst() instanceof List<?> inner) {
            values = inner;
        }
        return values.stream().mapToInt(x -> ((Number) x).intValue()).toArray();
    }

    private static float[] floats(List<?> values) {
        float[] out = new float[values.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = ((Number) values.get(i)).floatValue();
        }
        return out;
    }
}
