package dev.apus.models.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs commands as child processes and keeps the end of their output. */
final class ProcessCommandRunner implements CommandRunner {
    /** The last lines hold the reason of a failure; the rest of a long log is of no use in a message. */
    private static final int KEPT_BYTES = 16 * 1024;

    /** For a command that is ended to remove its temporary files before it is killed, and for its last output to arrive. */
    private static final long GRACE_SECONDS = 2;

    @Override
    public Result run(List<String> command, Path folder) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(nullDevice()))
                .start();
        Tail tail = new Tail();
        // on its own thread, since a read of a pipe cannot be interrupted but the wait for the process can
        Thread reader = Thread.ofVirtual().name("apus-hub-command-output").start(() -> drain(process, tail));
        try {
            int exitCode = process.waitFor();
            reader.join(TimeUnit.SECONDS.toMillis(GRACE_SECONDS)); // a grandchild may hold the pipe open
            return new Result(exitCode, tail.text());
        } finally {
            stop(process);
        }
    }

    private static java.io.File nullDevice() {
        return new java.io.File(java.io.File.separatorChar == '\\' ? "NUL" : "/dev/null");
    }

    private static void drain(Process process, Tail tail) {
        byte[] buffer = new byte[4096];
        try (InputStream in = process.getInputStream()) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                tail.add(buffer, n);
            }
        } catch (IOException e) {
            // the pipe breaks when the process is ended; the note stands where a reader of the message would look
            byte[] note = ("\n(output ended: " + e.getMessage() + ")").getBytes(Charset.defaultCharset());
            tail.add(note, note.length);
        }
    }

    private static void stop(Process process) {
        if (process.isAlive()) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
            try {
                if (!process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                }
            } catch (InterruptedException e) {
                process.destroyForcibly();
                Thread.currentThread().interrupt();
            }
        }
    }

    /** The last bytes of a stream; written by the reader, read by the waiting thread. */
    private static final class Tail {
        private final StringBuilder text = new StringBuilder();

        synchronized void add(byte[] bytes, int n) {
            text.append(new String(bytes, 0, n, Charset.defaultCharset()));
            if (text.length() > KEPT_BYTES) {
                text.delete(0, text.length() - KEPT_BYTES);
            }
        }

        synchronized String text() {
            return text.toString().strip();
        }
    }
}
