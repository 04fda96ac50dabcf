package dev.apus.models.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.BitSet;

/**
 * Checks SentencePiece's compiled normalization rules: the length of a double-array trie (darts-clone's units of four bytes), the trie,
 * then the replacements, each ended by a zero byte. The engine follows the trie without looking, so an offset out of a damaged or
 * hostile file would end the process.
 */
final class CharsMap {
    private CharsMap() {}

    /** @throws TokenizerException if following the trie could leave it, or a replacement is not there */
    static void check(String source, byte[] map) {
        ByteBuffer bytes = ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN);
        int trieBytes = map.length < Integer.BYTES ? -1 : bytes.getInt(0);
        if (trieBytes < Integer.BYTES || trieBytes % Integer.BYTES != 0 || trieBytes > map.length - Integer.BYTES) {
            throw fault(source, "has " + map.length + " bytes of which the trie takes " + trieBytes);
        }
        ByteBuffer texts = bytes.slice(Integer.BYTES + trieBytes, map.length - Integer.BYTES - trieBytes);
        if (DecodeStep.strictUtf8(texts) == null) {
            throw fault(source, "has replacements that are not UTF-8");
        }
        walk(source, bytes.slice(Integer.BYTES, trieBytes).order(ByteOrder.LITTLE_ENDIAN), texts);
    }

    private static void walk(String source, ByteBuffer trie, ByteBuffer texts) {
        int units = trie.capacity() / Integer.BYTES;
        BitSet seen = new BitSet(units);
        ArrayDeque<Integer> nodes = new ArrayDeque<>();
        nodes.add(0);
        seen.set(0);
        while (!nodes.isEmpty()) {
            int node = nodes.remove();
            int unit = trie.getInt(node * Integer.BYTES);
            int base = node ^ offset(unit);
            if ((base | 0xFF) >= units) {
                throw fault(source, "leads from unit " + node + " to " + base + " of " + units);
            }
            if (node != 0 && (unit & 0x100) != 0) {
                checkValue(source, trie.getInt(base * Integer.BYTES) & Integer.MAX_VALUE, texts);
            }
            for (int label = 1; label < 256; label++) {
                int child = base ^ label;
                if ((trie.getInt(child * Integer.BYTES) & 0x800000FF) == label && !seen.get(child)) {
                    seen.set(child);
                    nodes.add(child);
                }
            }
        }
    }

    private static int offset(int unit) {
        return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
    }

    private static void checkValue(String source, int value, ByteBuffer texts) {
        boolean starts = value < texts.capacity() && (texts.get(value) & 0xC0) != 0x80;
        if (!starts) {
            throw fault(source, "names a replacement at byte " + value + " of " + texts.capacity());
        }
    }

    private static TokenizerException fault(String source, String what) {
        return new TokenizerException(
                source + ": the normalization rules (precompiled_charsmap) are damaged: the table " + what);
    }
}
