package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine.TypeConversionException;

/** Command lines that cannot be: found before a model is looked for, and told in a line. */
class UsageTest {
    /** No such file: a check that came after the model would say so. */
    private static final String NO_MODEL = "./no-such-model";

    private record Outcome(int status, String out, List<String> err) {}

    private static Outcome run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int status = Main.run(Map.of(), new PrintWriter(out, true), new PrintWriter(err, true), arguments);
        return new Outcome(status, out.toString(), err.toString().lines().toList());
    }

    @ParameterizedTest
    @CsvSource({
        "run, --top-p, 2, '--top-p is 2.0, must be in (0, 1]'",
        "run, --temperature, -3, '--temperature is -3.0, must be 0 or more'",
        "chat, --max-tokens, 0, '--max-tokens is 0, must be 1 or more'",
        "serve, --port, 99999, '--port is 99999, must be 0 (any free one) to 65535'",
        "serve, --h2-max-concurrent-streams, 0, '--h2-max-concurrent-streams is 0, must be 1 or more'",
        "serve, --ssl-cert-reqs, 3, '--ssl-cert-reqs is 3, must be 0, 1 or 2'",
        "serve, --max-connections, 0, '--max-connections is 0, must be 1 or more'",
        "serve, --max-model-len, -1, '--max-model-len is -1, must be 0 (the model''s) or more'",
        "doctor, --gpu-memory-utilization, 2, '--gpu-memory-utilization is 2.0, must be above 0 and at most 1'",
        "serve, --shutdown-timeout, -1, '--shutdown-timeout is -1, must be 0 or more'",
    })
    void aValueOutOfRangeIsWrongUsage(String command, String option, String value, String message) {
        Outcome outcome = run(command, NO_MODEL, option, value);
        assertThat(outcome.err).containsExactly("apus: " + message);
        assertThat(outcome.status).isEqualTo(2);
    }

    @Test
    void offlineForbidsTheFetchOfLibraries() {
        Outcome outcome = run("doctor", "--no-model", "--offline", "--fetch-cuda");
        assertThat(outcome.err)
                .containsExactly("apus: --fetch-cuda downloads 2 GB, which --offline forbids; leave one of them out");
        assertThat(outcome.status).isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource({
        "--port, 80x, '80x'",
        "--backend, metal, 'auto, cpu, cuda'",
        "--kv-cache-memory-bytes, 1X, '512M or 1G'",
        "--prot, 80, '--prot'",
    })
    void anErrorIsNotHiddenBehindTheOptions(String option, String value, String told) {
        Outcome outcome = run("serve", NO_MODEL, option, value);
        assertThat(outcome.err.getFirst()).startsWith("apus: ").contains(told);
        assertThat(outcome.err.getLast()).contains("apus serve --help");
        assertThat(outcome.err).hasSizeLessThan(5);
        assertThat(outcome.status).isEqualTo(2);
    }

    @Test
    void aPortInUseIsFoundBeforeTheModel() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String port = String.valueOf(taken.getLocalPort());
            Outcome outcome = run("serve", NO_MODEL, "--port", port);
            assertThat(outcome.err)
                    .singleElement()
                    .asString()
                    .contains("127.0.0.1:" + port, "in use", "stop what uses it");
            assertThat(outcome.status).isEqualTo(1);
        }
    }

    @Test
    void aHostThatIsNoneIsCalledThat() {
        Outcome unknown = run("serve", NO_MODEL, "--host", "no-such-host.invalid", "--port", "8124");
        assertThat(unknown.err)
                .singleElement()
                .asString()
                .contains("no-such-host.invalid:8124", "no host of that name")
                .doesNotContain("null", "stop what uses");
        // An address that documentation uses and nobody has.
        assertThat(run("serve", NO_MODEL, "--host", "192.0.2.1").err)
                .singleElement()
                .asString()
                .contains("192.0.2.1:8000", "no address of this machine");
    }

    @Test
    void aPromptInThePlaceOfTheModelIsSeen() {
        for (String text : new String[] {"Name three birds.", "hello"}) {
            Outcome outcome = run("run", text);
            assertThat(outcome.err)
                    .containsExactly("apus: '" + text + "' is no model; did you mean --prompt '" + text + "'?");
            assertThat(outcome.status).isEqualTo(2);
        }
    }

    @Test
    void aContextThatTheModelHasNotIsNamedByItsOption() {
        Outcome outcome = run("run", CliProcess.TINY, "-p", "hello", "--max-model-len", "100000");
        assertThat(outcome.err)
                .singleElement()
                .asString()
                .startsWith("apus: --max-model-len is 100000, must be at most 512");
        assertThat(outcome.status).isEqualTo(1);
    }

    @Test
    void completionIsCalledByItsName() {
        assertThat(run("completion", "--help").out)
                .contains("Usage: apus completion", "source <(apus completion)")
                .doesNotContain("generate-completion");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "123, 123",
        "1k, 1000",
        "1K, 1024",
        "1G, 1073741824",
        "512M, 536870912",
        "1.5GiB, 1610612736",
        "25B, 25",
        "2 GB, 2147483648",
        "1t, 1000000000000"
    })
    void sizesMayHaveUnits(String text, long bytes) {
        assertThat(new ByteSize().convert(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @CsvSource({"''", "1X", "-1", "1GG", "G", "999999999999999999T"})
    void othersAreNoSizes(String text) {
        assertThatThrownBy(() -> new ByteSize().convert(text))
                .isInstanceOf(TypeConversionException.class)
                .hasMessageContaining("'" + text + "'");
    }
}
