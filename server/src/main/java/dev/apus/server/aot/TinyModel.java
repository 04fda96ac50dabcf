package dev.apus.server.aot;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A Llama of two layers whose weights are all zero, written as a GGUF file.
 *
 * <p>Widths and formats are those of SmolLM2-135M in Q4_1, the default model: the loops that pack and multiply then have their usual
 * lengths. It says nothing sensible, but it takes every step of loading and answering.
 */
final class TinyModel {
    private static final int VERSION = 3;
    private static final int LAYERS = 2;
    private static final int HIDDEN = 576;
    private static final int INNER = 1536;
    private static final int HEADS = 9;
    private static final int KV_HEADS = 3;
    private static final int CONTEXT = 512;
    /** GGUF's default alignment of tensor data. */
    private static final int ALIGNMENT = 32;

    /** ChatML, with the loop, the condition and the filter that most templates have. */
    private static final String TEMPLATE = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' +"
            + " message['content'] | trim + '<|im_end|>' + '\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    /** Formats that it uses: ggml's number, elements and bytes of a block. */
    private enum Format {
        F32(0, 1, 4),
        Q4_1(3, 32, 20),
        Q8_0(8, 32, 34);

        final int id;
        final int blockSize;
        final int blockBytes;

        Format(int id, int blockSize, int blockBytes) {
            this.id = id;
            this.blockSize = blockSize;
            this.blockBytes = blockBytes;
        }
    }

    /** A tensor's entry in the header; extents innermost first. */
    private record Entry(String name, Format format, List<Integer> extents) {
        /** Bytes in the file, padded. */
        long bytes() {
            long elements = 1;
            for (int extent : extents) {
                elements *= extent;
            }
            return aligned(elements / format.blockSize * format.blockBytes);
        }
    }

    private TinyModel() {}

    /** Writes the model, about 5 MB. */
    static void write(Path file) throws IOException {
        List<String> tokens = tokens();
        List<Entry> entries = entries(tokens.size());
        GgufBytes metadata = metadata(tokens);
        GgufBytes out = new GgufBytes();
        out.raw("GGUF".getBytes(StandardCharsets.US_ASCII));
        out.int32(VERSION);
        out.int64(entries.size());
        out.int64(metadata.keys());
        out.raw(metadata.toBytes());
        long offset = 0;
        for (Entry entry : entries) {
            out.string(entry.name);
            out.int32(entry.extents.size());
            for (int extent : entry.extents) {
                out.int64(extent);
            }
            out.int32(entry.format.id);
            out.int64(offset);
            offset += entry.bytes();
        }
        out.raw(new byte[(int) (aligned(out.size()) - out.size() + offset)]);
        Files.write(file, out.toBytes());
    }

    private static List<Entry> entries(int vocab) {
        List<Entry> entries = new ArrayList<>();
        entries.add(new Entry("token_embd.weight", Format.Q8_0, List.of(HIDDEN, vocab)));
        entries.add(new Entry("output_norm.weight", Format.F32, List.of(HIDDEN)));
        int kv = HIDDEN / HEADS * KV_HEADS;
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "blk." + layer + ".";
            entries.add(new Entry(block + "attn_norm.weight", Format.F32, List.of(HIDDEN)));
            entries.add(new Entry(block + "attn_q.weight", Format.Q4_1, List.of(HIDDEN, HIDDEN)));
            entries.add(new Entry(block + "attn_k.weight", Format.Q4_1, List.of(HIDDEN, kv)));
            entries.add(new Entry(block + "attn_v.weight", Format.Q4_1, List.of(HIDDEN, kv)));
            entries.add(new Entry(block + "attn_output.weight", Format.Q4_1, List.of(HIDDEN, HIDDEN)));
            entries.add(new Entry(block + "ffn_norm.weight", Format.F32, List.of(HIDDEN)));
            entries.add(new Entry(block + "ffn_gate.weight", Format.Q4_1, List.of(HIDDEN, INNER)));
            entries.add(new Entry(block + "ffn_up.weight", Format.Q4_1, List.of(HIDDEN, INNER)));
            entries.add(new Entry(block + "ffn_down.weight", Format.Q4_1, List.of(INNER, HIDDEN)));
        }
        return entries;
    }

    private static GgufBytes metadata(List<String> tokens) {
        GgufBytes out = new GgufBytes();
        out.key("general.architecture", "llama");
        out.key("general.name", "tiny");
        out.key("llama.block_count", LAYERS);
        out.key("llama.context_length", CONTEXT);
        out.key("llama.embedding_length", HIDDEN);
        out.key("llama.feed_forward_length", INNER);
        out.key("llama.attention.head_count", HEADS);
        out.key("llama.attention.head_count_kv", KV_HEADS);
        out.key("llama.rope.freq_base", 10_000f);
        out.key("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        out.key("tokenizer.ggml.model", "gpt2");
        out.key("tokenizer.ggml.pre", "smollm");
        out.array("tokenizer.ggml.tokens", GgufBytes.STRING, tokens.size());
        tokens.forEach(out::string);
        out.array("tokenizer.ggml.token_type", GgufBytes.INT32, tokens.size());
        tokens.forEach(token -> out.int32(token.startsWith("<|") ? 3 : 1));
        out.array("tokenizer.ggml.merges", GgufBytes.STRING, 1);
        out.string("h e");
        out.key("tokenizer.ggml.bos_token_id", 0);
        out.key("tokenizer.ggml.eos_token_id", 1);
        out.key("tokenizer.chat_template", TEMPLATE);
        return out;
    }

    /** Two control tokens, all bytes in GPT-2's alphabet, and what the one merge makes. */
    private static List<String> tokens() {
        List<String> tokens = new ArrayList<>(List.of("<|im_start|>", "<|im_end|>"));
        char next = 256;
        for (char b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= '\u00a1' && b <= '\u00ac') || b >= '\u00ae';
            tokens.add(String.valueOf(printable ? b : next++));
        }
        tokens.add("he");
        return tokens;
    }

    private static long aligned(long size) {
        return (size + ALIGNMENT - 1) & -ALIGNMENT;
    }
}
