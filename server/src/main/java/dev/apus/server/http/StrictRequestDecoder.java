package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.List;

/**
 * Netty's decoder of HTTP/1.1, which besides finds heads wrong that it would read in a way of its own: header fields that go on in the next
 * line (RFC 9112, 5.2), and request lines with other white space than single bytes 0x20 or with control characters.
 */
final class StrictRequestDecoder extends HttpRequestDecoder {
    private enum At {
        /** Empty lines before a request. */
        BEFORE,
        REQUEST_LINE,
        /** The carriage return that only a line feed may follow. */
        REQUEST_LINE_END,
        FIELD_START,
        FIELD
    }

    private At at = At.BEFORE;
    private boolean inHead = true;
    private boolean wrong;

    StrictRequestDecoder(HttpDecoderConfig config) {
        super(config);
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) throws Exception {
        int from = in.readerIndex();
        boolean head = inHead;
        int before = out.size();
        super.decode(context, in, out);
        if (head) {
            // Whole lines of one head: the decoder takes no less, and stops behind it.
            for (int i = from; i < in.readerIndex(); i++) {
                look(in.getByte(i));
            }
        }
        for (int i = before; i < out.size(); i++) {
            Object message = out.get(i);
            if (message instanceof HttpRequest request) {
                inHead = false;
                if (wrong && request.decoderResult().isSuccess()) {
                    request.setDecoderResult(DecoderResult.failure(
                            new IllegalArgumentException("a folded field or a control character")));
                }
            }
            if (message instanceof LastHttpContent) {
                inHead = true;
                at = At.BEFORE;
                wrong = false;
            }
        }
    }

    private void look(byte b) {
        boolean endsLine = b == '\n';
        switch (at) {
            case BEFORE -> {
                if (!endsLine && b != '\r') {
                    at = At.REQUEST_LINE;
                    wrong |= b <= ' ';
                }
            }
            case REQUEST_LINE -> {
                if (b == '\r') {
                    at = At.REQUEST_LINE_END;
                } else if (endsLine) {
                    at = At.FIELD_START;
                } else {
                    // Bytes from 0x80 on are negative, and no control characters.
                    wrong |= (b >= 0 && b < ' ') || b == 0x7f;
                }
            }
            case REQUEST_LINE_END -> {
                wrong |= !endsLine;
                at = endsLine ? At.FIELD_START : At.REQUEST_LINE;
            }
            case FIELD_START -> {
                wrong |= b == ' ' || b == '\t';
                at = endsLine ? At.FIELD_START : At.FIELD;
            }
            case FIELD -> at = endsLine ? At.FIELD_START : At.FIELD;
        }
    }
}
