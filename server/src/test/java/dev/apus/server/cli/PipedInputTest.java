package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Prompts that come through a pipe, as in {@code echo hello | apus run}. */
@Timeout(120)
class PipedInputTest {
    @TempDir
    private Path folder;

    @Test
    void runAnswersAPipedPrompt() throws Exception {
        CliProcess.Result result = new CliProcess(folder, Map.of())
                .run("Name three birds.\n", "run", CliProcess.TINY, "--max-tokens", "3", "--temperature", "0");
        assertThat(result.err()).doesNotContain("Exception");
        assertThat(result.status()).isZero();
        assertThat(result.out()).endsWith("\n").hasSizeGreaterThan(1);
    }

    @Test
    void anEmptyPipeIsNoPrompt() throws Exception {
        CliProcess.Result result = new CliProcess(folder, Map.of()).run("", "run", CliProcess.TINY);
        assertThat(result.err().lines())
                .singleElement()
                .asString()
                .contains("no prompt", "--prompt TEXT", "standard input is empty");
        assertThat(result.status()).isEqualTo(2);
    }

    @Test
    void anEmptyPromptIsNoPrompt() throws Exception {
        CliProcess.Result result = new CliProcess(folder, Map.of()).run("", "run", CliProcess.TINY, "-p", " ");
        assertThat(result.err().lines()).singleElement().asString().contains("--prompt is empty");
        assertThat(result.status()).isEqualTo(2);
    }

    @Test
    void chatAnswersPipedLines() throws Exception {
        CliProcess.Result result = new CliProcess(folder, Map.of())
                .run(
                        "hello\n/help\n/clear\nhello\n",
                        "chat",
                        CliProcess.TINY,
                        "--max-tokens",
                        "3",
                        "--temperature",
                        "0");
        assertThat(result.err()).doesNotContain("Exception");
        assertThat(result.status()).isZero();
        // One line each, equal because the second conversation does not know of the first; no prompt signs in what a
        // program reads.
        List<String> lines = result.out().lines().toList();
        assertThat(lines).hasSize(3).doesNotContain("> ");
        assertThat(lines.get(1)).contains("/clear", "/exit");
        assertThat(lines.getLast()).isEqualTo(lines.getFirst());
    }

    @Test
    void aDamagedFileOfACacheIsToldHowToMend() throws Exception {
        Path cached = folder.resolve("packages/pypi/p/1/gguf/_/m.gguf");
        Files.createDirectories(cached.getParent());
        byte[] whole = Files.readAllBytes(Path.of(CliProcess.TINY));
        Files.write(cached, Arrays.copyOf(whole, whole.length / 2));
        Files.writeString(folder.resolve("packages/pypi/p/1/models.txt"), "m.gguf\n");
        CliProcess.Result result = new CliProcess(folder, Map.of()).run("", "run", "pypi:p==1", "-p", "hello");
        assertThat(result.err().lines())
                .singleElement()
                .asString()
                .contains("delete " + cached + " and run this again");
        assertThat(result.status()).isEqualTo(1);
    }
}
