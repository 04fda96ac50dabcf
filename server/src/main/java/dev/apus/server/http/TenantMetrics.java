package dev.apus.server.http;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** What each tenant has used. The first tenants are told by name, all others together as {@value #OTHER}. Thread-safe. */
final class TenantMetrics {
    /** Names are clients' where there are no keys, and each costs a scrape some hundred bytes. */
    static final int MOST_TENANTS = 100;

    static final String OTHER = "other";

    private final MeterRegistry registry;
    private final Tags tags;
    private final ConcurrentHashMap<String, Usage> usages = new ConcurrentHashMap<>();
    private final AtomicInteger named = new AtomicInteger();

    /** @param tags of all its series */
    TenantMetrics(MeterRegistry registry, Tags tags) {
        this.registry = registry;
        this.tags = tags;
    }

    /** What a tenant has used. */
    Usage of(String tenant) {
        Usage known = usages.get(tenant);
        if (known != null) {
            return known;
        }
        if (named.get() >= MOST_TENANTS || named.incrementAndGet() > MOST_TENANTS) {
            return usages.computeIfAbsent(OTHER, Usage::new);
        }
        Usage made = new Usage(tenant);
        Usage before = usages.putIfAbsent(tenant, made);
        if (before == null) {
            return made;
        }
        named.decrementAndGet();
        return before;
    }

    /** One tenant's. */
    final class Usage {
        private final Tags mine;
        private final Counter prompt;
        private final Counter cached;
        private final Counter generation;
        private final Timer queue;

        private Usage(String tenant) {
            mine = tags.and("tenant", tenant);
            prompt = registry.counter("apus:tenant_prompt_tokens", mine);
            cached = registry.counter("apus:tenant_prompt_tokens_cached", mine);
            generation = registry.counter("apus:tenant_generation_tokens", mine);
            queue = registry.timer("apus:tenant_queue_time_seconds", mine);
        }

        /** A request is over. */
        void request(int status) {
            registry.counter("apus:tenant_requests", mine.and("status", Statuses.family(status)))
                    .increment();
        }

        /** A prompt is done. */
        void prompt(long tokens, long fromCache) {
            prompt.increment((double) tokens);
            cached.increment((double) fromCache);
        }

        /** Tokens have come. */
        void generated(int tokens) {
            generation.increment(tokens);
        }

        /** A sequence has waited so long for its computation. */
        void queued(long nanos) {
            queue.record(nanos, TimeUnit.NANOSECONDS);
        }
    }
}
