package dev.apus.server.http;

import dev.apus.models.tokenizer.Detokenizer;
import dev.apus.models.tokenizer.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Ids below 256 are bytes, as text is encoded; those above stand for pieces of bytes that the test chooses. */
final class BytesTokenizer implements Tokenizer {
    static final int PIECES = 256;

    private final List<byte[]> pieces;

    BytesTokenizer(List<byte[]> pieces) {
        this.pieces = List.copyOf(pieces);
    }

    @Override
    public int size() {
        return PIECES + pieces.size();
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = bytes[i] & 0xff;
        }
        return ids;
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int id : ids) {
            bytes.writeBytes(tokenBytes(id));
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Override
    public Detokenizer detokenizer(boolean skipSpecialTokens) {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPLACE)
                .onUnmappableCharacter(CodingErrorAction.REPLACE);
        return new Detokenizer() {
            private byte[] held = new byte[0];

            @Override
            public String add(int id) {
                return decode(tokenBytes(id), false);
            }

            @Override
            public String finish() {
                return decode(new byte[0], true);
            }

            private String decode(byte[] more, boolean last) {
                ByteBuffer in = ByteBuffer.allocate(held.length + more.length)
                        .put(held)
                        .put(more)
                        .flip();
                CharBuffer out = CharBuffer.allocate(in.remaining() + 1);
                decoder.decode(in, out, last);
                held = new byte[in.remaining()];
                in.get(held);
                return out.flip().toString();
            }
        };
    }

    @Override
    public byte[] tokenBytes(int id) {
        return id < PIECES ? new byte[] {(byte) id} : pieces.get(id - PIECES);
    }

    @Override
    public String token(int id) {
        return new String(tokenBytes(id), StandardCharsets.ISO_8859_1);
    }

    @Override
    public int id(String token) {
        return token.length() == 1 && token.charAt(0) < PIECES ? token.charAt(0) : -1;
    }

    @Override
    public boolean isSpecial(int id) {
        return false;
    }

    @Override
    public int bosId() {
        return -1;
    }

    @Override
    public List<Integer> eosIds() {
        return List.of();
    }

    @Override
    public int padId() {
        return -1;
    }

    @Override
    public void close() {}
}
