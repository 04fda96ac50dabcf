package dev.apus.loadtest.gatling;

import static io.gatling.javaapi.core.CoreDsl.details;
import static io.gatling.javaapi.core.CoreDsl.global;
import static io.gatling.javaapi.core.CoreDsl.scenario;
import static io.gatling.javaapi.http.HttpDsl.http;

import dev.apus.loadtest.Plan;
import dev.apus.loadtest.Scenario;
import dev.apus.loadtest.faults.Background;
import dev.apus.loadtest.measure.Board;
import dev.apus.loadtest.measure.Limit;
import dev.apus.loadtest.measure.Report;
import io.gatling.javaapi.core.Assertion;
import io.gatling.javaapi.core.PopulationBuilder;
import io.gatling.javaapi.core.ScenarioBuilder;
import io.gatling.javaapi.core.Simulation;
import io.gatling.javaapi.http.HttpProtocolBuilder;
import io.gatling.javaapi.http.SseConnectActionBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** The simulation of all scenarios; Gatling makes it. Its plan is in the file that {@link Plan#PROPERTY} names. */
public final class ServingSimulation extends Simulation {
    /** Events of a stream that are no text: role, end, usage; and more where a server sends some of its own. */
    private static final int OTHER_EVENTS = 64;

    /** A request may be without an answer for as long as its checks have patience, and a little. */
    private static final Duration GRACE = Duration.ofSeconds(30);

    /** Where no keys are, tenants are told apart by this header of the Gateway API's inference extension. */
    private static final String TENANT_HEADER = "x-gateway-inference-fairness-id";

    private final Plan plan = Plan.read(Path.of(System.getProperty(Plan.PROPERTY)));
    private final Board board = new Board();
    private final Background background = new Background(plan.target(), plan.faults());
    private final List<Shapes.Population> populations = Shapes.of(plan);
    private final AtomicLong began = new AtomicLong();

    public ServingSimulation() {
        List<PopulationBuilder> all = new ArrayList<>();
        for (Shapes.Population population : populations) {
            StreamOfChat stream = new StreamOfChat(
                    plan, board, () -> population.series().apply(elapsed()), population.promptTokens());
            ScenarioBuilder users =
                    scenario(population.name()).exec(stream.chain(request -> identified(request, population)));
            all.add(population.inject(users, plan.load()));
        }
        setUp(all)
                .protocols(protocol())
                .assertions(assertions())
                .maxDuration(Duration.ofSeconds(
                                plan.load().seconds() + 2L * plan.load().timeoutSeconds())
                        .plus(GRACE));
    }

    private HttpProtocolBuilder protocol() {
        return http.baseUrl(plan.target().base())
                .contentTypeHeader("application/json")
                .acceptHeader("text/event-stream")
                .userAgentHeader("apus-loadtest")
                .shareConnections()
                .disableCaching()
                .disableWarmUp()
                .sseUnmatchedInboundMessageBufferSize(plan.load().maxTokens() + OTHER_EVENTS);
    }

    private SseConnectActionBuilder identified(SseConnectActionBuilder request, Shapes.Population population) {
        int tenant = population.tenant();
        if (background.keyOf(tenant) != null) {
            // Asked for each request: keys may change.
            return request.header("Authorization", session -> "Bearer " + background.keyOf(tenant));
        }
        return plan.scenario() == Scenario.TENANTS ? request.header(TENANT_HEADER, population.name()) : request;
    }

    /** The same that {@link Report} asks for, so that Gatling's report shows it. */
    private List<Assertion> assertions() {
        List<Assertion> all = new ArrayList<>();
        if (!plan.mayRefuse() && populations.stream().noneMatch(Shapes.Population::mayRefuse)) {
            all.add(global().failedRequests().count().is(0L));
        }
        for (Limit limit : plan.limits()) {
            for (String series : limit.series().isEmpty() ? guarded() : List.of(limit.series())) {
                String name =
                        switch (limit.latency()) {
                            case TTFT -> ReportNames.firstToken(series);
                            case ITL -> ReportNames.gap(series);
                            case E2E -> null; // no request of Gatling's has this time
                        };
                if (name != null) {
                    all.add(details(name)
                            .responseTime()
                            .percentile(limit.percentile())
                            .lte((int) Math.ceil(limit.millis())));
                }
            }
        }
        return all;
    }

    private List<String> guarded() {
        return populations.stream().flatMap(p -> p.guarded().stream()).toList();
    }

    private long elapsed() {
        long now = System.nanoTime();
        began.compareAndSet(0, now);
        return (now - began.get()) / 1_000_000;
    }

    @Override
    public void before() {
        background.start();
    }

    @Override
    public void after() {
        Background.Result others = background.finish(board.snapshot());
        List<String> mayRefuse = new ArrayList<>();
        for (String series : board.snapshot().keySet()) {
            boolean allowed = populations.stream()
                    .anyMatch(p -> p.mayRefuse() && (p.name().equals(series) || plan.scenario() != Scenario.TENANTS));
            if (plan.mayRefuse() || allowed) {
                mayRefuse.add(series);
            }
        }
        Report report = Report.judge(plan.scenario().label(), board.snapshot(), plan.limits(), guarded(), mayRefuse)
                .with(others.findings(), others.notes());
        if (plan.scenario() == Scenario.RAMP) {
            report = report.with(List.of(), List.of(Saturation.describe(board.snapshot())));
        }
        try {
            Files.writeString(Path.of(plan.report()), report.json().toPrettyString());
            Files.writeString(Path.of(plan.report() + ".txt"), report.text());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
