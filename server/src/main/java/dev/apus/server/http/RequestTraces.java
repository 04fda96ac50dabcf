package dev.apus.server.http;

import dev.apus.scheduler.EngineEvent.Finished;
import dev.apus.scheduler.EngineEvent.Timing;
import dev.apus.scheduler.SamplingParams;
import dev.apus.server.tracing.OtlpSender;
import dev.apus.server.tracing.Sampler;
import dev.apus.server.tracing.Span;
import dev.apus.server.tracing.Span.Attributes;
import dev.apus.server.tracing.TraceContext;
import dev.apus.server.tracing.TraceOptions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Makes the spans of a request once it is over: one for all of it, and within it reading (template and tokenizer included), and for each
 * sequence its waiting, prefill and decode. Attributes are OpenTelemetry's for generative AI, and vLLM's. Thread-safe.
 */
final class RequestTraces implements AutoCloseable {
    private static final double NANOS = 1e-9;

    private final OtlpSender sender;
    private final Sampler sampler;
    private final String model;

    RequestTraces(TraceOptions options, String model) {
        sender = new OtlpSender(options, InfoRoutes.version());
        sampler = options.sampler();
        this.model = model;
    }

    /** Spans lost since the start. */
    long dropped() {
        return sender.dropped();
    }

    /** Spans that the collector has taken. */
    long sent() {
        return sender.sent();
    }

    /** Where the request comes from by its headers; null if they do not say. */
    static @Nullable TraceContext parent(Exchange exchange) {
        return TraceContext.parse(
                exchange.headers().get("traceparent"), exchange.headers().get("tracestate"));
    }

    /**
     * Records a request that is over, if its trace is one of those recorded.
     *
     * @return its place in the trace
     */
    TraceContext record(Exchange exchange) {
        TraceContext parent = parent(exchange);
        TraceContext place = sampler.place(parent);
        if (place.sampled()) {
            sender.send(new Making(exchange, place).spans(parent == null ? 0 : parent.span()));
        }
        return place;
    }

    /** Sends what waits. */
    @Override
    public void close() {
        sender.close();
    }

    /** The spans of one request. */
    private final class Making {
        private final Exchange exchange;
        private final RequestRecord record;
        private final TraceContext place;
        /** What is added to {@link System#nanoTime} for nanoseconds since 1970. */
        private final long epoch;

        private final List<Span> spans = new ArrayList<>();

        Making(Exchange exchange, TraceContext place) {
            this.exchange = exchange;
            record = exchange.record();
            this.place = place;
            Instant now = Instant.now();
            epoch = TimeUnit.SECONDS.toNanos(now.getEpochSecond()) + now.getNano() - System.nanoTime();
        }

        List<Span> spans(long parent) {
            long begin = exchange.arrivalNanos();
            long end = begin + exchange.tookNanos();
            long submitted = record.submittedNanos();
            if (submitted != 0) {
                child("parse", begin, submitted, new Attributes());
            }
            if (submitted != 0 && record.sequenceCount() == 0) {
                child("pool", submitted, end, new Attributes().number("apus.tokens", record.promptTokens()));
            }
            for (RequestRecord.Sequence sequence : record.sequences()) {
                Finished finished = sequence.finished();
                if (finished != null) {
                    sequence(sequence.index(), finished);
                    end = Math.max(end, finished.timing().finished());
                }
            }
            String error = exchange.status() < 400 && !"error".equals(record.finishReason())
                    ? null
                    : exchange.status() == Exchange.CLIENT_GONE ? "the client has gone" : "status " + exchange.status();
            String name = operation() + " " + model;
            spans.add(new Span(
                    place,
                    parent,
                    name,
                    Span.Kind.SERVER,
                    begin + epoch,
                    end + epoch,
                    attributes(end).list(),
                    error));
            return spans;
        }

        private void sequence(int index, Finished finished) {
            Timing timing = finished.timing();
            long end = timing.finished();
            long scheduled = timing.scheduled() == 0 ? end : timing.scheduled();
            Attributes waiting = of(index).number("apus.preemptions", timing.preemptions());
            child("queue", Math.min(record.submittedNanos(), scheduled), scheduled, waiting);
            if (timing.scheduled() == 0) {
                return;
            }
            Attributes prompt = of(index)
                    .number("gen_ai.usage.input_tokens", finished.promptTokens())
                    .number("gen_ai.usage.cache_read.input_tokens", finished.cachedTokens());
            long first = timing.firstToken() == 0 ? end : timing.firstToken();
            child("prefill", scheduled, first, prompt);
            if (timing.firstToken() != 0) {
                child("decode", first, end, of(index).number("gen_ai.usage.output_tokens", finished.generatedTokens()));
            }
        }

        private Attributes of(int index) {
            return new Attributes().number("apus.sequence.index", index);
        }

        private void child(String name, long begin, long end, Attributes attributes) {
            spans.add(new Span(
                    place.child(),
                    place.span(),
                    name,
                    Span.Kind.INTERNAL,
                    begin + epoch,
                    end + epoch,
                    attributes.list(),
                    null));
        }

        private Attributes attributes(long end) {
            AnswerSink.Origin origin = exchange.origin();
            String tenant = record.tenant();
            Attributes all = new Attributes()
                    .text("gen_ai.operation.name", operation())
                    .text("gen_ai.provider.name", "apus")
                    .text("gen_ai.request.model", model)
                    .text("gen_ai.response.model", model)
                    .text("gen_ai.request.id", exchange.requestId())
                    .text("http.request.method", exchange.method().name())
                    .text("http.route", exchange.route())
                    .number("http.response.status_code", exchange.status())
                    .text("network.protocol.name", origin.protocol())
                    .text("client.address", origin.remote())
                    .text("apus.tenant", tenant == null ? exchange.principal().tenant() : tenant)
                    .number("gen_ai.usage.input_tokens", record.promptTokens())
                    .number("gen_ai.usage.output_tokens", record.generatedTokens())
                    .number("gen_ai.usage.cache_read.input_tokens", record.cachedTokens())
                    .number("gen_ai.usage.prompt_tokens", record.promptTokens())
                    .number("gen_ai.usage.completion_tokens", record.generatedTokens())
                    .real("gen_ai.latency.e2e", seconds(end - exchange.arrivalNanos()));
            if (exchange.status() >= 400) {
                all.text("error.type", Integer.toString(exchange.status()));
            }
            asked(all);
            latencies(all);
            return all;
        }

        private void asked(Attributes all) {
            SamplingParams params = record.params();
            if (params == null) {
                return;
            }
            all.number("gen_ai.request.max_tokens", params.maxTokens())
                    .real("gen_ai.request.temperature", params.temperature())
                    .real("gen_ai.request.top_p", params.topP())
                    .number("gen_ai.request.top_k", params.topK())
                    .number("gen_ai.request.choice.count", record.choices())
                    .number("gen_ai.request.n", record.choices())
                    .number("gen_ai.usage.num_sequences", record.sequenceCount())
                    .texts(
                            "gen_ai.response.finish_reasons",
                            record.sequences().stream()
                                    .map(RequestRecord.Sequence::reason)
                                    .toList());
        }

        /** vLLM's, of the first sequence. */
        private void latencies(Attributes all) {
            if (record.firstTokenNanos() != 0) {
                all.real(
                        "gen_ai.latency.time_to_first_token",
                        seconds(record.firstTokenNanos() - exchange.arrivalNanos()));
            }
            Finished finished = record.sequences().isEmpty()
                    ? null
                    : record.sequences().getFirst().finished();
            if (finished == null || finished.timing().scheduled() == 0) {
                return;
            }
            Timing timing = finished.timing();
            all.real("gen_ai.latency.time_in_queue", seconds(timing.scheduled() - record.submittedNanos()))
                    .real("gen_ai.latency.time_in_model_inference", seconds(timing.finished() - timing.scheduled()));
            if (timing.firstToken() != 0) {
                all.real("gen_ai.latency.time_in_model_prefill", seconds(timing.firstToken() - timing.scheduled()))
                        .real("gen_ai.latency.time_in_model_decode", seconds(timing.finished() - timing.firstToken()));
            }
        }

        private double seconds(long nanos) {
            return Math.max(0, nanos) * NANOS;
        }

        /** By OpenTelemetry's names. */
        private String operation() {
            if (record.params() == null && record.submittedNanos() != 0) {
                return "embeddings";
            }
            String route = exchange.route();
            boolean text = route.endsWith("/completions") && !route.contains("chat");
            return text || route.contains("/Generate") ? "text_completion" : "chat";
        }
    }
}
