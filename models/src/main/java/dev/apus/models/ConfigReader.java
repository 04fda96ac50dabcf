package dev.apus.models;

import dev.apus.loaders.CheckpointException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Typed access to the keys of a config.json or of GGUF metadata: every fault names the file, the key, the value and what is allowed.
 *
 * <p>Code asks by Hugging Face's names; {@code aliases} translate them to the file's own ({@code hidden_size} to
 * {@code llama.embedding_length}). A null value counts as absent.
 */
final class ConfigReader {
    private static final int MAX_SHOWN = 80;

    private final String where;
    private final Map<String, Object> values;
    private final Map<String, String> aliases;

    ConfigReader(String where, Map<String, Object> values, Map<String, String> aliases) {
        this.where = where;
        this.values = values;
        this.aliases = aliases;
    }

    /** The same values under more names; an alias applies only where its target is there and the asked name is not. */
    ConfigReader withAliases(Map<String, String> more) {
        return new ConfigReader(where, values, more);
    }

    String where() {
        return where;
    }

    private String fileKey(String key) {
        String alias = aliases.get(key);
        return alias != null && values.get(key) == null ? alias : key;
    }

    @Nullable
    Object value(String key) {
        return values.get(fileKey(key));
    }

    /** Number of keys that the file has. */
    int size() {
        return values.size();
    }

    /** The file's own keys. */
    java.util.Set<String> keys() {
        return java.util.Collections.unmodifiableSet(values.keySet());
    }

    boolean has(String key) {
        return value(key) != null;
    }

    private Object required(String key) {
        Object value = value(key);
        if (value == null) {
            throw new CheckpointException(where + ": key " + quote(fileKey(key)) + " is missing");
        }
        return value;
    }

    /** A whole number of the range. */
    int integer(String key, int min, int max) {
        Object value = required(key);
        String allowed = "a whole number from " + min + " to " + max;
        if (!(value instanceof Number number)) {
            throw fault(key, allowed);
        }
        double real = number.doubleValue();
        if (real != Math.rint(real) || real < min || real > max) { // NaN fails the first test
            throw fault(key, allowed);
        }
        return (int) real;
    }

    int integer(String key, int min, int max, int absent) {
        return has(key) ? integer(key, min, max) : absent;
    }

    /** A finite number of the range. */
    double real(String key, double min, double max) {
        if (required(key) instanceof Number number) {
            double real = number.doubleValue();
            if (real >= min && real <= max) {
                return real;
            }
        }
        throw fault(key, "a number from " + min + " to " + max);
    }

    double real(String key, double min, double max, double absent) {
        return has(key) ? real(key, min, max) : absent;
    }

    boolean flag(String key, boolean absent) {
        Object value = value(key);
        if (value == null) {
            return absent;
        }
        if (value instanceof Boolean flag) {
            return flag;
        }
        throw fault(key, "true or false");
    }

    String text(String key, String absent) {
        Object value = value(key);
        if (value == null) {
            return absent;
        }
        if (value instanceof String text) {
            return text;
        }
        throw fault(key, "a string");
    }

    /** The list under {@code key}, or null. */
    @Nullable
    List<?> list(String key) {
        Object value = value(key);
        if (value == null) {
            return null;
        }
        if (value instanceof List<?> list) {
            return list;
        }
        throw fault(key, "a list");
    }

    /** {@code count} finite numbers above zero. */
    double[] positives(String key, int count) {
        List<?> list = list(key);
        String allowed = "a list of " + count + " numbers above 0";
        if (list == null || list.size() != count) {
            throw fault(key, allowed);
        }
        double[] out = new double[count];
        for (int i = 0; i < count; i++) {
            if (!(list.get(i) instanceof Number number)
                    || !(number.doubleValue() > 0)
                    || !Double.isFinite(number.doubleValue())) {
                throw fault(key, allowed);
            }
            out[i] = number.doubleValue();
        }
        return out;
    }

    /** The object under {@code key}, or null; its faults name {@code key} too. */
    @Nullable
    ConfigReader object(String key) {
        Object value = value(key);
        if (value == null) {
            return null;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> typed = new java.util.LinkedHashMap<>();
            map.forEach((name, inner) -> {
                if (inner != null) {
                    typed.put(String.valueOf(name), inner);
                }
            });
            return new ConfigReader(where + ": " + key, typed, Map.of());
        }
        throw fault(key, "an object");
    }

    /** What is wrong with a key: its value and what is allowed. */
    CheckpointException fault(String key, String allowed) {
        return new CheckpointException(
                where + ": " + quote(fileKey(key)) + " is " + quote(value(key)) + "; it must be " + allowed);
    }

    /** A value of a file, cut and without control characters: it may be hostile. */
    static String quote(@Nullable Object value) {
        String text = String.valueOf(value);
        StringBuilder out = new StringBuilder(value instanceof String ? "'" : "");
        text.chars().limit(MAX_SHOWN).forEach(c -> out.append(Character.isISOControl(c) ? '?' : (char) c));
        if (text.length() > MAX_SHOWN) {
            out.append("...");
        }
        return out.append(value instanceof String ? "'" : "").toString();
    }
}
