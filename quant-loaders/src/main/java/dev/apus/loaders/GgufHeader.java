package dev.apus.loaders;

import static dev.apus.loaders.GgufValues.ARRAY;
import static dev.apus.loaders.GgufValues.STRING;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parses the header of a GGUF file (ggml's docs/gguf.md): metadata, then tensor infos. Every count and length is checked against the
 * bytes that are left before anything is allocated for it, so memory stays proportional to the file.
 */
final class GgufHeader {
    private static final int MAGIC = 0x46554747; // "GGUF" read little-endian
    private static final int MAX_RANK = 4; // GGML_MAX_DIMS
    private static final int MAX_NAME_BYTES = 64; // GGML_MAX_NAME
    private static final int MAX_KEY_BYTES = 65_535; // docs/gguf.md
    private static final int MIN_KEY_VALUE_BYTES = 8 + 1 + 4 + 1;
    private static final int MIN_TENSOR_INFO_BYTES = 8 + 1 + 4 + 4 + 8;
    private static final String ALIGNMENT_KEY = "general.alignment";
    private static final long DEFAULT_ALIGNMENT = 32;
    /** The largest vocabularies in use need about 20 MB; more than this is no model, and would let a file fill the heap. */
    private static final long MAX_HEADER_BYTES = 256L << 20;
    /** Real files have tens of keys; objects made for a key take ten times its bytes, so the count is bounded by itself. */
    private static final long MAX_KEYS = 65_536;

    private static final long MAX_TENSORS = 1_000_000;

    private final MappedFile file;
    private final ByteBuffer header;
    private final Map<String, Object> metadata = new LinkedHashMap<>();
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();

    private GgufHeader(MappedFile file) {
        this.file = file;
        this.header = file.bytes()
                .asSlice(0, Math.min(file.size(), MAX_HEADER_BYTES))
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /** @throws CheckpointException naming the file, the key or tensor, and the fault */
    static GgufHeader read(MappedFile file) {
        GgufHeader parsed = new GgufHeader(file);
        parsed.parse();
        return parsed;
    }

    /** Keys to values, in file order; unmodifiable. */
    Map<String, Object> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** Tensors by name, in file order. */
    Map<String, TensorEntry> tensors() {
        return tensors;
    }

    private void parse() {
        checkMagicAndVersion();
        long tensorCount = count("number of tensors", MIN_TENSOR_INFO_BYTES, MAX_TENSORS);
        long keyCount = count("number of metadata keys", MIN_KEY_VALUE_BYTES, MAX_KEYS);
        for (long i = 0; i < keyCount; i++) {
            readKeyValue("metadata key " + i);
        }
        long alignment = alignment();
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        for (long i = 0; i < tensorCount; i++) {
            TensorInfo info = readTensorInfo(i);
            if (infos.put(info.name(), info) != null) {
                throw fault(tensor(info.name()), "is there twice");
            }
        }
        long dataStart = (header.position() + alignment - 1) / alignment * alignment;
        for (TensorInfo info : infos.values()) {
            tensors.put(info.name(), place(info, dataStart, alignment));
        }
        checkOverlap();
    }

    private void checkMagicAndVersion() {
        need(24, "the file header");
        int magic = header.getInt();
        if (magic == Integer.reverseBytes(MAGIC)) {
            throw fault("header", "is byte-swapped (big-endian GGUF), which is not supported");
        }
        if (magic != MAGIC) {
            throw fault(
                    "header",
                    "starts with 0x%08x instead of \"GGUF\": this is no GGUF file"
                            .formatted(Integer.reverseBytes(magic)));
        }
        int version = header.getInt();
        int swapped = Integer.reverseBytes(version);
        if (swapped >= 1 && swapped <= 3) {
            throw fault(
                    "header",
                    "says version " + swapped + " in big-endian order; only little-endian GGUF files are"
                            + " supported: convert it with gguf-py's gguf_convert_endian.py");
        }
        if (version != 2 && version != 3) {
            throw fault(
                    "header",
                    "says version " + Integer.toUnsignedString(version)
                            + "; versions 2 and 3 are supported: convert the model again with a current converter");
        }
    }

    private void readKeyValue(String what) {
        String key = string(what, MAX_KEY_BYTES);
        String where = "metadata key " + Messages.quote(key);
        if (key.isEmpty()) {
            throw fault(what, "is empty");
        }
        int type = int32(where);
        if (metadata.put(key, value(where, type)) != null) {
            throw fault(where, "is there twice");
        }
    }

    private Object value(String where, int type) {
        if (type == STRING) {
            return string(where, Integer.MAX_VALUE);
        }
        if (type == ARRAY) {
            return array(where);
        }
        int size = GgufValues.width(type);
        if (size == 0) {
            throw fault(where, "has unknown value type " + Integer.toUnsignedString(type));
        }
        need(size, where);
        int at = header.position();
        header.position(at + size);
        return GgufValues.plain(header, at, type);
    }

    private List<Object> array(String where) {
        int type = int32(where);
        if (type == ARRAY) {
            throw fault(where, "is an array of arrays, which GGUF readers do not accept");
        }
        int size = type == STRING ? 8 : GgufValues.width(type);
        if (size == 0) {
            throw fault(where, "is an array of unknown value type " + Integer.toUnsignedString(type));
        }
        int n = (int) count(where + ": array length", size, Integer.MAX_VALUE - 8);
        if (type == STRING) {
            return strings(where, n);
        }
        byte[] bytes = new byte[n * size]; // no overflow: the header has this many bytes left
        header.get(bytes);
        return new GgufValues.PlainList(bytes, type);
    }

    private List<Object> strings(String where, int n) {
        int first = header.position();
        int limit = header.limit();
        int[] starts = new int[n + 1];
        int at = first;
        for (int i = 0; i < n; i++) {
            long length = limit - at < 8 ? -1 : header.getLong(at);
            if (length < 0 || length > limit - at - 8L) {
                header.position(at);
                throw stringTooLong(where + "[" + i + "]", limit - at < 8 ? 8 : length);
            }
            starts[i] = at + 8 - first;
            at += 8 + (int) length;
        }
        starts[n] = at + 8 - first;
        byte[] bytes = new byte[at - first];
        header.get(bytes);
        return new GgufValues.StringList(file.path() + ": " + where, bytes, starts);
    }

    private long alignment() {
        Object value = metadata.get(ALIGNMENT_KEY);
        if (value == null) {
            return DEFAULT_ALIGNMENT;
        }
        boolean valid = value instanceof Long n && n >= 8 && Long.bitCount(n) == 1;
        if (!valid) {
            throw fault(
                    "metadata key '" + ALIGNMENT_KEY + "'",
                    "is " + shown(value) + "; a uint32 power of two of at least 8 is allowed");
        }
        return (long) value;
    }

    private static String shown(Object value) {
        return value instanceof List<?> list ? "an array of " + list.size() : Messages.quote(value.toString());
    }

    /** A tensor as the header declares it: extents innermost first, offset from the start of the data. */
    private record TensorInfo(String name, long[] ggmlShape, int type, long offset) {}

    private TensorInfo readTensorInfo(long index) {
        String name = string("name of tensor " + index, MAX_NAME_BYTES);
        String where = tensor(name);
        if (name.isEmpty()) {
            throw fault("tensor " + index, "has an empty name");
        }
        int rank = int32(where);
        if (rank < 0 || rank > MAX_RANK) {
            throw fault(
                    where, "has " + Integer.toUnsignedString(rank) + " dimensions; up to " + MAX_RANK + " are allowed");
        }
        long[] shape = new long[rank];
        for (int i = 0; i < rank; i++) {
            shape[i] = int64(where);
        }
        return new TensorInfo(name, shape, int32(where), int64(where));
    }

    private TensorEntry place(TensorInfo info, long dataStart, long alignment) {
        String where = tensor(info.name());
        GgmlType type = GgmlType.of(info.type());
        if (type == null) {
            throw fault(where, "has unknown type number " + Integer.toUnsignedString(info.type()));
        }
        long[] shape = reversed(info.ggmlShape());
        long bytes = byteSize(where, type, shape);
        long offset = info.offset();
        if (offset < 0 || offset % alignment != 0) {
            throw fault(
                    where,
                    "starts at offset " + Long.toUnsignedString(offset) + ", which is not aligned to " + alignment);
        }
        long available = file.size() - dataStart;
        if (bytes > 0 && (offset > available || bytes > available - offset)) {
            throw fault(
                    where,
                    type + " " + Arrays.toString(shape) + " needs bytes " + offset + " to "
                            + Long.toUnsignedString(offset + bytes) + " of the data, but the file has only "
                            + Math.max(available, 0) + " bytes of data: it is truncated or damaged");
        }
        // an empty tensor may stand anywhere, even behind the end: give it a place that can be sliced
        return new TensorEntry(
                info.name(), type.name(), type.dtype(), shape, bytes == 0 ? 0 : dataStart + offset, bytes);
    }

    private long byteSize(String where, GgmlType type, long[] shape) {
        long elements = TensorEntry.elements(shape);
        if (elements < 0) {
            throw fault(where, "has the impossible shape " + unsigned(shape));
        }
        long row = shape.length == 0 ? 1 : shape[shape.length - 1];
        if (row % type.blockSize() != 0) {
            throw fault(
                    where,
                    "has rows of " + row + " elements, which do not fill the " + type.blockSize()
                            + "-element blocks of its type " + type);
        }
        long blocks = elements / type.blockSize();
        if (blocks > Long.MAX_VALUE / 2 / type.blockBytes()) {
            throw fault(where, "has the impossible shape " + unsigned(shape));
        }
        return blocks * type.blockBytes();
    }

    private void checkOverlap() {
        TensorEntry previous = null;
        for (TensorEntry next : TensorTable.byOffset(tensors.values())) {
            if (next.byteSize() == 0) {
                continue;
            }
            if (previous != null && next.offset() < previous.offset() + previous.byteSize()) {
                throw fault(tensor(next.name()), "overlaps " + tensor(previous.name()));
            }
            previous = next;
        }
    }

    private static long[] reversed(long[] extents) {
        long[] out = new long[extents.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = extents[out.length - 1 - i];
        }
        return out;
    }

    private static String unsigned(long[] shape) {
        return Arrays.stream(shape).mapToObj(Long::toUnsignedString).toList().toString();
    }

    private static String tensor(String name) {
        return "tensor " + Messages.quote(name);
    }

    /** Reads a count of things of at least {@code minBytes} each that must still fit in the header. */
    private long count(String what, int minBytes, long max) {
        long n = int64(what);
        if (n < 0 || n > header.remaining() / minBytes) {
            throw fault(
                    what,
                    "is " + Long.toUnsignedString(n) + ", more than the " + header.remaining()
                            + " bytes that are left can hold");
        }
        if (n > max) {
            throw fault(what, "is " + n + "; at most " + max + " are allowed");
        }
        return n;
    }

    private String string(String where, int maxBytes) {
        long length = int64(where);
        if (length < 0 || length > header.remaining()) {
            throw stringTooLong(where, length);
        }
        if (length > maxBytes) {
            throw fault(where, "is " + length + " bytes long; at most " + maxBytes + " are allowed");
        }
        byte[] bytes = new byte[(int) length];
        header.get(bytes);
        String text = GgufValues.utf8(bytes, 0, bytes.length);
        if (text == null) {
            throw fault(where, "is not UTF-8 text");
        }
        return text;
    }

    private CheckpointException stringTooLong(String where, long length) {
        return fault(
                where,
                "claims a string of " + Long.toUnsignedString(length) + " bytes, but only " + header.remaining()
                        + " are left: the file is truncated or damaged");
    }

    private int int32(String where) {
        need(4, where);
        return header.getInt();
    }

    private long int64(String where) {
        need(8, where);
        return header.getLong();
    }

    private void need(int bytes, String where) {
        if (header.remaining() < bytes) {
            String reason = file.size() > MAX_HEADER_BYTES
                    ? "lies behind the first " + MAX_HEADER_BYTES + " bytes: the header is too large"
                    : "is cut off at byte " + header.position() + ": the file ends after " + file.size() + " bytes";
            throw fault(where, reason);
        }
    }

    private CheckpointException fault(String where, String what) {
        return new CheckpointException(file.path() + ": " + where + (where.isEmpty() ? "" : " ") + what);
    }
}
