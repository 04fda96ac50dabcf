package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.proto.v1.InferenceGrpc;
import dev.apus.proto.v1.TokenizeRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** What lies in deploy/: that it parses, and that each metric and label in it is one that a running server has. */
@Timeout(60)
class OpsFilesTest {
    private static final Path DEPLOY = Path.of("../deploy");
    private static final Pattern NAME = Pattern.compile("[a-zA-Z_:][a-zA-Z0-9_:]*");
    /** Words of PromQL that look like names of metrics. */
    private static final Set<String> WORDS = Set.of("and", "or", "unless", "by", "without", "on", "ignoring", "bool");

    private static Scrape scrape = new Scrape("");

    @BeforeAll
    static void scrapeAServerThatHasWorked() throws Exception {
        try (GrpcFixture fixture = new GrpcFixture(options -> options.watch(WatchOptions.NONE
                .withAccessLog(AccessLogFormat.JSON, OutputStream.nullOutputStream())
                .withTraces(TestCollector.optionsFor("http://127.0.0.1:9", "OTEL_TRACES_SAMPLER", "always_off"))))) {
            try (RawClient client = new RawClient(fixture.server)) {
                client.send(RawClient.post("/v1/completions", "{\"prompt\":\"abcd\",\"max_tokens\":9}"));
                ManualEngine.Work work = fixture.engine.next();
                work.emit("x");
                work.emit("y");
                fixture.engine.finish(work);
                client.readAnswer();
            }
            InferenceGrpc.newBlockingStub(fixture.client.channel())
                    .tokenize(TokenizeRequest.newBuilder().setText("abc").build());
            // The collector's metrics begin with its first pause.
            System.gc();
            ServerFixture.await("all kinds of metrics", () -> {
                scrape = scrape(fixture);
                return !scrape.all("jvm_gc_pause_seconds_sum").isEmpty()
                        && !scrape.all("grpc_server_handled_total").isEmpty()
                        && !scrape.all("apus:tenant_requests_total").isEmpty();
            });
        }
    }

    @AfterAll
    static void forget() {
        scrape = new Scrape("");
    }

    private static Scrape scrape(GrpcFixture fixture) {
        try (RawClient client = new RawClient(fixture.server)) {
            String answer = client.send(RawClient.get("/metrics")).readAnswer();
            return new Scrape(answer.substring(answer.indexOf("\r\n\r\n") + 4));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Names of metrics in an expression. */
    private static Set<String> metrics(String expression) {
        String bare = expression
                .replaceAll("\"[^\"]*\"", "")
                .replaceAll("\\{[^}]*}", "")
                .replaceAll("\\[[^\\]]*]", "")
                .replaceAll("\\b(by|without|on|ignoring) *\\([^)]*\\)", "");
        Set<String> names = new TreeSet<>();
        Matcher name = NAME.matcher(bare);
        while (name.find()) {
            boolean function = bare.substring(name.end()).stripLeading().startsWith("(");
            if (!function && !WORDS.contains(name.group())) {
                names.add(name.group());
            }
        }
        return names;
    }

    private static void checkExpressions(List<String> expressions) {
        Set<String> known =
                scrape.samples.stream().map(Scrape.Sample::name).collect(Collectors.toCollection(TreeSet::new));
        // Prometheus' own, of each target.
        known.add("up");
        for (String expression : expressions) {
            assertThat(metrics(expression)).as(expression).isNotEmpty().isSubsetOf(known);
            checkLabels(expression);
        }
    }

    /** Labels that are asked for or grouped by must be some metric's of the expression, or what Prometheus adds. */
    private static void checkLabels(String expression) {
        Set<String> labels = new TreeSet<>(Set.of("job", "instance", "le"));
        for (String metric : metrics(expression)) {
            scrape.all(metric).forEach(sample -> labels.addAll(sample.labels().keySet()));
        }
        Matcher matcher = Pattern.compile("([a-z_]+)(?:=~|!~|!=|=)\"|\\bby *\\(([^)]*)\\)")
                .matcher(expression);
        while (matcher.find()) {
            List<String> used = matcher.group(1) != null
                    ? List.of(matcher.group(1))
                    : List.of(matcher.group(2).split(", *", -1));
            assertThat(labels).as(expression).containsAll(used);
        }
    }

    @Test
    void theDashboardAsksForWhatThereIs() throws IOException {
        JsonNode dashboard = new JsonMapper().readTree(Files.readString(DEPLOY.resolve("grafana/apus.json")));
        assertThat(dashboard.get("uid").stringValue()).isEqualTo("apus");
        List<String> expressions = new ArrayList<>();
        List<String> titles = new ArrayList<>();
        Set<Integer> ids = new TreeSet<>();
        for (JsonNode panel : dashboard.get("panels")) {
            assertThat(ids.add(panel.get("id").intValue())).isTrue();
            titles.add(panel.get("title").stringValue());
            for (JsonNode target : panel.path("targets")) {
                expressions.add(target.get("expr").stringValue());
            }
        }
        assertThat(titles).contains("Throughput", "Latency", "Queue and KV cache", "Tenants", "Errors", "Process");
        assertThat(expressions).hasSizeGreaterThan(40);
        checkExpressions(expressions);
        for (JsonNode variable : dashboard.get("templating").get("list")) {
            if (variable.get("type").stringValue().equals("query")) {
                Matcher query = Pattern.compile("label_values\\((\\S+), (\\S+)\\)")
                        .matcher(variable.get("query").stringValue());
                assertThat(query.matches()).isTrue();
                assertThat(scrape.all(query.group(1))).isNotEmpty();
            }
        }
    }

    @Test
    void theAlertsAskForWhatThereIs() throws IOException {
        JsonNode rules = new YAMLMapper().readTree(Files.readString(DEPLOY.resolve("prometheus/alerts.yml")));
        List<String> expressions = new ArrayList<>();
        Set<String> names = new TreeSet<>();
        for (JsonNode group : rules.get("groups")) {
            for (JsonNode rule : group.get("rules")) {
                assertThat(names.add(rule.get("alert").stringValue())).isTrue();
                expressions.add(rule.get("expr").stringValue());
                assertThat(rule.get("labels").get("severity").stringValue()).isIn("critical", "warning", "info");
                assertThat(rule.get("annotations").get("summary").stringValue()).isNotBlank();
            }
        }
        assertThat(expressions).hasSizeGreaterThan(10);
        checkExpressions(expressions);
    }

    /** The example's probes are routes, and it gives the drain the time that it has. */
    @Test
    void theKubernetesExampleIsSound() throws IOException {
        String readme = Files.readString(DEPLOY.resolve("README.md"));
        Matcher block = Pattern.compile("```yaml\n(.*?)```", Pattern.DOTALL).matcher(readme);
        assertThat(block.find()).isTrue();
        JsonNode pod = new YAMLMapper()
                .readTree(block.group(1))
                .get("spec")
                .get("template")
                .get("spec");
        JsonNode container = pod.get("containers").get(0);
        try (ApiServer server = new ApiServer(new CharTokenizer(), new StubEngine())) {
            for (String probe : List.of("startupProbe", "livenessProbe", "readinessProbe")) {
                String path = container.get(probe).get("httpGet").get("path").stringValue();
                assertThat(server.routes()).anyMatch(route -> route.path().equals(path));
            }
        }
        int drain = 0;
        for (JsonNode argument : container.get("args")) {
            if (argument.stringValue().startsWith("--shutdown-timeout=")) {
                drain = Integer.parseInt(argument.stringValue().replaceAll("\\D", ""));
            }
        }
        assertThat(drain)
                .isPositive()
                .isLessThan(pod.get("terminationGracePeriodSeconds").intValue());
        assertThat(container.get("ports").get(0).get("containerPort").intValue())
                .isEqualTo(8000);
    }
}
