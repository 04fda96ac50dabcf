package dev.apus.loaders;

import dev.apus.kernels.DType;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * Parses the header of one safetensors file as the reference implementation does (safetensors/src/tensor.rs): a JSON object of tensors
 * whose bytes fill the rest of the file without hole, overlap or remainder.
 */
final class SafetensorsHeader {
    private static final long MAX_HEADER_BYTES = 100_000_000; // tensor.rs MAX_HEADER_SIZE
    private static final int MAX_RANK = 32; // numpy's limit; no checkpoint tensor has more
    private static final ValueLayout.OfLong LE64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MappedFile file;
    private final long dataStart;
    private final long dataBytes;
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private SafetensorsHeader(MappedFile file, long headerBytes) {
        this.file = file;
        this.dataStart = 8 + headerBytes;
        this.dataBytes = file.size() - dataStart;
    }

    /** @throws CheckpointException naming the file, the tensor and the fault */
    static SafetensorsHeader read(MappedFile file) {
        long headerBytes = headerBytes(file);
        SafetensorsHeader header = new SafetensorsHeader(file, headerBytes);
        try (JsonParser json = StrictJson.parser(file.bytes().asSlice(8, headerBytes))) {
            header.parse(json);
        } catch (JacksonException e) {
            throw header.fault("header", "is no valid JSON: " + StrictJson.reason(e), e);
        }
        header.checkContiguous();
        return header;
    }

    Map<String, TensorEntry> tensors() {
        return tensors;
    }

    /** The text-to-text {@code __metadata__} object; empty if there is none. */
    Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    private static long headerBytes(MappedFile file) {
        if (file.size() < 8 + 2) {
            throw new CheckpointException(
                    file.path() + ": header is cut off: the file ends after " + file.size() + " bytes");
        }
        long n = file.bytes().get(LE64, 0);
        if (n < 2 || n > MAX_HEADER_BYTES) {
            throw new CheckpointException(file.path() + ": header length " + Long.toUnsignedString(n)
                    + " is not between 2 and " + MAX_HEADER_BYTES + ": this is no safetensors file, or it is damaged");
        }
        if (n > file.size() - 8) {
            throw new CheckpointException(file.path() + ": header length " + n + " exceeds the file of " + file.size()
                    + " bytes: it is truncated or damaged");
        }
        if (file.bytes().get(ValueLayout.JAVA_BYTE, 8) != '{') {
            throw new CheckpointException(
                    file.path() + ": header does not start with '{': this is no safetensors file");
        }
        return n;
    }

    private void parse(JsonParser json) {
        json.nextToken(); // the opening brace, checked before
        boolean hasMetadata = false;
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = json.currentName();
            JsonToken value = json.nextToken();
            if (name.equals("__metadata__")) {
                if (hasMetadata) {
                    throw fault("__metadata__", "is there twice", null);
                }
                hasMetadata = true;
                readMetadata(json, value);
            } else {
                TensorEntry entry = readTensor(json, value, name);
                if (tensors.put(name, entry) != null) {
                    throw fault(tensor(name), "is there twice", null);
                }
            }
        }
        if (json.nextToken() != null) {
            throw fault("header", "goes on behind its closing brace", null);
        }
    }

    private void readMetadata(JsonParser json, JsonToken value) {
        if (value != JsonToken.START_OBJECT) {
            throw fault("__metadata__", "is " + StrictJson.kind(value) + ", not an object", null);
        }
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = json.currentName();
            JsonToken entry = json.nextToken();
            if (entry != JsonToken.VALUE_STRING) {
                throw fault(
                        "__metadata__",
                        "key " + Messages.quote(key) + " is " + StrictJson.kind(entry) + ", not a string",
                        null);
            }
            if (metadata.put(key, json.getString()) != null) {
                throw fault("__metadata__", "key " + Messages.quote(key) + " is there twice", null);
            }
        }
    }

    private TensorEntry readTensor(JsonParser json, JsonToken value, String name) {
        String where = tensor(name);
        if (value != JsonToken.START_OBJECT) {
            throw fault(where, "is " + StrictJson.kind(value) + ", not an object", null);
        }
        String dtype = null;
        long[] shape = null;
        long[] offsets = null;
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String field = json.currentName();
            JsonToken token = json.nextToken();
            switch (field) {
                case "dtype" -> {
                    once(where, field, dtype);
                    dtype = text(json, token, where, field);
                }
                case "shape" -> {
                    once(where, field, shape);
                    shape = numbers(json, token, where, field);
                }
                case "data_offsets" -> {
                    once(where, field, offsets);
                    offsets = numbers(json, token, where, field);
                }
                default -> json.skipChildren();
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw fault(where, "has no " + missing, null);
        }
        return entry(name, dtype, shape, offsets);
    }

    private void once(String where, String field, @Nullable Object present) {
        if (present != null) {
            throw fault(where, "has " + field + " twice", null);
        }
    }

    private String text(JsonParser json, JsonToken token, String where, String field) {
        if (token != JsonToken.VALUE_STRING) {
            throw fault(where, "has a " + field + " that is " + StrictJson.kind(token) + ", not a string", null);
        }
        return json.getString();
    }

    private long[] numbers(JsonParser json, JsonToken token, String where, String field) {
        if (token != JsonToken.START_ARRAY) {
            throw fault(where, "has a " + field + " that is " + StrictJson.kind(token) + ", not an array", null);
        }
        long[] out = new long[MAX_RANK];
        int n = 0;
        for (JsonToken t = json.nextToken(); t != JsonToken.END_ARRAY; t = json.nextToken()) {
            if (n == MAX_RANK) {
                throw fault(where, "has more than " + MAX_RANK + " numbers in " + field, null);
            }
            boolean fits = t == JsonToken.VALUE_NUMBER_INT && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
            if (!fits || json.getLongValue() < 0) {
                String found = t == JsonToken.VALUE_NUMBER_INT ? Messages.quote(json.getString()) : StrictJson.kind(t);
                throw fault(where, "has " + found + " in " + field + ", not a whole number from 0 to 2^63-1", null);
            }
            out[n++] = json.getLongValue();
        }
        return Arrays.copyOf(out, n);
    }

    private TensorEntry entry(String name, String typeName, long[] shape, long[] offsets) {
        String where = tensor(name);
        int bits = bits(where, typeName);
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw fault(where, "has data_offsets " + Arrays.toString(offsets) + ", not [begin, end]", null);
        }
        if (offsets[1] > dataBytes) {
            throw fault(
                    where,
                    "ends at byte " + offsets[1] + " of the data, but the file has only " + dataBytes
                            + " bytes of data: it is truncated or damaged",
                    null);
        }
        long elements = TensorEntry.elements(shape);
        if (elements < 0 || elements > Long.MAX_VALUE / bits || elements * bits % 8 != 0) {
            throw fault(where, "has the impossible shape " + Arrays.toString(shape) + " of " + typeName, null);
        }
        long bytes = elements * bits / 8;
        if (bytes != offsets[1] - offsets[0]) {
            throw fault(
                    where,
                    typeName + Arrays.toString(shape) + " needs " + bytes + " bytes, its data_offsets "
                            + Arrays.toString(offsets) + " hold " + (offsets[1] - offsets[0]),
                    null);
        }
        return new TensorEntry(name, typeName, dtype(typeName), shape, dataStart + offsets[0], bytes);
    }

    /** Types of ours that carry the format's own name; null for the rest, which are listed but cannot be read. */
    private static @Nullable DType dtype(String name) {
        return switch (name) {
            case "F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0" -> DType.valueOf(name);
            case "I64", "U64", "I32", "U32", "I16", "U16", "I8", "U8", "BOOL" -> DType.valueOf(name);
            default -> null;
        };
    }

    private int bits(String where, String typeName) {
        DType dtype = dtype(typeName);
        if (dtype != null) {
            return dtype.blockBytes() * 8;
        }
        return switch (typeName) {
            case "F4" -> 4;
            case "F6_E2M3", "F6_E3M2" -> 6;
            case "C64" -> 64;
            default -> throw fault(where, "has unknown dtype " + Messages.quote(typeName), null);
        };
    }

    private void checkContiguous() {
        long expected = dataStart;
        String previous = "the start of the data";
        for (TensorEntry entry : TensorTable.byOffset(tensors.values())) {
            if (entry.offset() < expected) {
                throw fault(tensor(entry.name()), "overlaps " + previous, null);
            }
            if (entry.offset() > expected) {
                throw fault(
                        tensor(entry.name()),
                        "leaves a hole of " + (entry.offset() - expected) + " bytes behind " + previous,
                        null);
            }
            expected += entry.byteSize();
            previous = tensor(entry.name());
        }
        if (expected != file.size()) {
            throw fault(
                    "data",
                    "has " + (file.size() - expected) + " bytes behind " + previous + " that belong to no tensor",
                    null);
        }
    }

    private static String tensor(String name) {
        return "tensor " + Messages.quote(name);
    }

    private CheckpointException fault(String where, String what, @Nullable Throwable cause) {
        String message = file.path() + ": " + where + " " + what;
        return cause == null ? new CheckpointException(message) : new CheckpointException(message, cause);
    }
}
