package dev.apus.server.http;

import dev.apus.models.EncoderConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;

/** Writes the answers of the routes that pool. */
final class PoolingOut {
    private PoolingOut() {}

    /** The head of an answer, up to the comma before its data. */
    static JsonOut begin(String idPrefix, String model) {
        JsonOut out = new JsonOut().raw("{\"id\":").string(idPrefix + Generator.unique());
        out.raw(",\"object\":\"list\",\"created\":").number(System.currentTimeMillis() / 1000);
        return out.raw(",\"model\":").string(model).raw(",");
    }

    /** Usage and the end of an answer. */
    static void end(JsonOut out, long tokens) {
        out.raw("\"usage\":{\"prompt_tokens\":")
                .number(tokens)
                .raw(",\"total_tokens\":")
                .number(tokens);
        out.raw(",\"completion_tokens\":0,\"prompt_tokens_details\":null}}");
    }

    /** A list of numbers, or its little-endian floats in base64, as OpenAI's. */
    static JsonOut vector(JsonOut out, float[] vector, boolean base64) {
        if (base64) {
            ByteBuffer bytes = ByteBuffer.allocate(4 * vector.length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(vector);
            return out.raw("\"").raw(Base64.getEncoder().encode(bytes.array())).raw("\"");
        }
        out.raw("[");
        for (int i = 0; i < vector.length; i++) {
            number(out.raw(i == 0 ? "" : ","), vector[i]);
        }
        return out.raw("]");
    }

    /** One vector, or a list of them. */
    static JsonOut vectors(JsonOut out, float[][] vectors, boolean list, boolean base64) {
        if (!list) {
            return vector(out, vectors[0], base64);
        }
        out.raw("[");
        for (int v = 0; v < vectors.length; v++) {
            vector(out.raw(v == 0 ? "" : ","), vectors[v], base64);
        }
        return out.raw("]");
    }

    /** A number of JSON, which has no NaN: a model that makes one answers {@code null} there. */
    static JsonOut number(JsonOut out, float value) {
        return Float.isFinite(value) ? out.raw(Float.toString(value)) : out.raw("null");
    }

    /** Logits as scores. */
    static float[] scores(float[] logits, EncoderConfig.Scoring scoring) {
        float[] out = logits.clone();
        switch (scoring) {
            case IDENTITY -> {}
            case SIGMOID -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = (float) (1 / (1 + Math.exp(-out[i])));
                }
            }
            case SOFTMAX -> softmax(out);
        }
        return out;
    }

    private static void softmax(float[] values) {
        float most = values[largest(values)];
        double sum = 0;
        for (float value : values) {
            sum += Math.exp(value - most);
        }
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (Math.exp(values[i] - most) / sum);
        }
    }

    static int largest(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    /** The cosine of two vectors; 0 with one of zeros. */
    static float cosine(float[] a, float[] b) {
        double dot = 0;
        double left = 0;
        double right = 0;
        for (int i = 0; i < a.length; i++) {
            dot += (double) a[i] * b[i];
            left += (double) a[i] * a[i];
            right += (double) b[i] * b[i];
        }
        return left == 0 || right == 0 ? 0 : (float) (dot / Math.sqrt(left * right));
    }
}
