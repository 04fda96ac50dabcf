package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

class TenantMetricsTest {
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final TenantMetrics metrics = new TenantMetrics(registry, Tags.of("engine", "0"));

    private double generated(String tenant) {
        return registry.get("apus:tenant_generation_tokens")
                .tag("tenant", tenant)
                .counter()
                .count();
    }

    /** A client without a key may call itself as it likes: that must not make a scrape grow for ever. */
    @Test
    void tenantsBeyondTheFirstAreOneSeries() throws Exception {
        int tenants = 5000;
        CountDownLatch done = new CountDownLatch(tenants);
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (int i = 0; i < tenants; i++) {
                int name = i;
                threads.execute(() -> {
                    metrics.of("t" + name).generated(1);
                    done.countDown();
                });
            }
            done.await();
        }
        assertThat(registry.find("apus:tenant_generation_tokens").counters()).hasSize(TenantMetrics.MOST_TENANTS + 1);
        assertThat(generated(TenantMetrics.OTHER)).isEqualTo(tenants - TenantMetrics.MOST_TENANTS);
    }

    @Test
    void aTenantsUsageAddsUp() {
        metrics.of("a").prompt(10, 4);
        metrics.of("a").generated(3);
        metrics.of("a").generated(2);
        metrics.of("a").request(200);
        metrics.of("b").request(429);
        assertThat(generated("a")).isEqualTo(5);
        assertThat(registry.get("apus:tenant_prompt_tokens")
                        .tag("tenant", "a")
                        .counter()
                        .count())
                .isEqualTo(10);
        assertThat(registry.get("apus:tenant_prompt_tokens_cached")
                        .tag("tenant", "a")
                        .counter()
                        .count())
                .isEqualTo(4);
        assertThat(registry.get("apus:tenant_requests")
                        .tags("tenant", "b", "status", "4xx")
                        .counter()
                        .count())
                .isEqualTo(1);
    }
}
