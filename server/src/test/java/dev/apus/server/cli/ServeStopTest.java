package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** How a server ends that is told to. */
@Timeout(120)
@DisabledOnOs(OS.WINDOWS)
class ServeStopTest {
    @TempDir
    private Path folder;

    @Test
    void sigtermIsASuccessAndAFlightRecordingIsWritten() throws Exception {
        Path recording = folder.resolve("all.jfr");
        CliProcess cli = new CliProcess(folder, Map.of("APUS_LOG_LEVEL", "INFO"))
                .flag("-XX:StartFlightRecording=settings=none,+jdk.JVMInformation#enabled=true,"
                        + "+jdk.JVMInformation#period=beginChunk,filename=" + recording);
        Process server = cli.start("serve", CliProcess.TINY, "--port", "0");
        try {
            while (!cli.err().contains("try: curl -N http://127.0.0.1:")) {
                assertThat(server.isAlive()).as(cli.err()).isTrue();
                Thread.sleep(20);
            }
            server.destroy();
            assertThat(server.waitFor(60, TimeUnit.SECONDS)).as(cli.err()).isTrue();
            assertThat(server.exitValue()).isZero();
            assertThat(cli.err()).contains("stopped").contains(" serves llama-Q4_1 on ");
            assertThat(RecordingFile.readAllEvents(recording))
                    .anyMatch(event -> event.getEventType().getName().equals("jdk.JVMInformation"));
        } finally {
            server.destroyForcibly().waitFor();
        }
    }
}
