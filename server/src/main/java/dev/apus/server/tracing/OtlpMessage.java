package dev.apus.server.tracing;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;

/**
 * Spans as OpenTelemetry's protocol writes them: the message {@code ExportTraceServiceRequest} of its trace service, version 1. Written by
 * field numbers: generated classes would add a megabyte for eight messages that are never read here.
 */
final class OtlpMessage {
    private static final int STATUS_ERROR = 2;

    private OtlpMessage() {}

    private interface Fields {
        void write(CodedOutputStream out) throws IOException;
    }

    /**
     * @param resource what makes the spans
     * @param scope name of what records them
     */
    static byte[] of(List<Span> spans, Map<String, String> resource, String scope, String version) {
        return message(request -> request.writeByteArray(1, message(resourceSpans -> {
            resourceSpans.writeByteArray(1, message(out -> {
                for (Map.Entry<String, String> entry : resource.entrySet()) {
                    out.writeByteArray(1, pair(new Span.Attribute(entry.getKey(), entry.getValue())));
                }
            }));
            resourceSpans.writeByteArray(2, message(scopeSpans -> {
                scopeSpans.writeByteArray(1, message(out -> {
                    out.writeString(1, scope);
                    out.writeString(2, version);
                }));
                for (Span span : spans) {
                    scopeSpans.writeByteArray(2, span(span));
                }
            }));
        })));
    }

    private static byte[] span(Span span) {
        return message(out -> {
            TraceContext context = span.context();
            out.writeByteArray(1, bytes(context.traceHigh(), context.traceLow()));
            out.writeByteArray(2, bytes(context.span()));
            if (!context.state().isEmpty()) {
                out.writeString(3, context.state());
            }
            if (span.parent() != 0) {
                out.writeByteArray(4, bytes(span.parent()));
            }
            out.writeString(5, span.name());
            out.writeEnum(6, span.kind().number());
            out.writeFixed64(7, span.startNanos());
            out.writeFixed64(8, span.endNanos());
            for (Span.Attribute attribute : span.attributes()) {
                out.writeByteArray(9, pair(attribute));
            }
            String error = span.error();
            if (error != null) {
                out.writeByteArray(15, message(status -> {
                    status.writeString(2, error);
                    status.writeEnum(3, STATUS_ERROR);
                }));
            }
            out.writeFixed32(16, context.sampled() ? 1 : 0);
        });
    }

    private static byte[] pair(Span.Attribute attribute) {
        return message(out -> {
            out.writeString(1, attribute.name());
            out.writeByteArray(2, value(attribute.value()));
        });
    }

    private static byte[] value(Object value) {
        return message(out -> {
            switch (value) {
                case String text -> out.writeString(1, text);
                case Boolean truth -> out.writeBool(2, truth);
                case Long number -> out.writeInt64(3, number);
                case Double number -> out.writeDouble(4, number);
                case List<?> values ->
                    out.writeByteArray(5, message(array -> {
                        for (Object each : values) {
                            array.writeByteArray(1, value(each));
                        }
                    }));
                default -> throw new IllegalArgumentException("no attribute can be a " + value.getClass());
            }
        });
    }

    private static byte[] message(Fields fields) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        try {
            fields.write(out);
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException("nothing is written to a device here", e);
        }
        return bytes.toByteArray();
    }

    private static byte[] bytes(long... words) {
        byte[] bytes = new byte[words.length * Long.BYTES];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (words[i / Long.BYTES] >>> (56 - 8 * (i % Long.BYTES)));
        }
        return bytes;
    }
}
