package dev.apus.server.tracing;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A piece of work that has ended.
 *
 * @param context its own place
 * @param parent the span's id that it is part of; 0 for none
 * @param name of the work
 * @param kind for whom it was done
 * @param startNanos nanoseconds since 1970
 * @param endNanos nanoseconds since 1970
 * @param attributes what is known of it
 * @param error why it failed; null if it did not
 */
public record Span(
        TraceContext context,
        long parent,
        String name,
        Kind kind,
        long startNanos,
        long endNanos,
        List<Attribute> attributes,
        @Nullable String error) {
    /** For whom work is done. */
    public enum Kind {
        INTERNAL(1),
        SERVER(2);

        private final int number;

        Kind(int number) {
            this.number = number;
        }

        /** As OTLP writes it. */
        int number() {
            return number;
        }
    }

    /**
     * A fact.
     *
     * @param value a {@code String}, {@code Long}, {@code Double}, {@code Boolean} or a list of strings
     */
    public record Attribute(String name, Object value) {}

    /** Collects attributes and leaves out what is not known. */
    public static final class Attributes {
        private final List<Attribute> all = new ArrayList<>();

        public Attributes text(String name, @Nullable String value) {
            if (value != null) {
                all.add(new Attribute(name, value));
            }
            return this;
        }

        public Attributes texts(String name, List<String> values) {
            if (!values.isEmpty()) {
                all.add(new Attribute(name, List.copyOf(values)));
            }
            return this;
        }

        public Attributes number(String name, long value) {
            all.add(new Attribute(name, value));
            return this;
        }

        public Attributes real(String name, double value) {
            all.add(new Attribute(name, value));
            return this;
        }

        public List<Attribute> list() {
            return List.copyOf(all);
        }
    }

    public Span {
        attributes = List.copyOf(attributes);
    }
}
