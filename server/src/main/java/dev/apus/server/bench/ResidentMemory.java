package dev.apus.server.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Memory of processes as the system counts it. */
public final class ResidentMemory {
    private ResidentMemory() {}

    /** Resident bytes of this process without pages of mapped files, or -1 where the system does not tell. */
    public static long anonymousBytes() {
        return field("self", "RssAnon:");
    }

    /** Resident bytes of a process, all of them, or -1 where the system does not tell. */
    public static long bytes(long pid) {
        return field(String.valueOf(pid), "VmRSS:");
    }

    private static long field(String process, String name) {
        Path status = Path.of("/proc", process, "status");
        if (!Files.isReadable(status)) {
            return -1;
        }
        try {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith(name)) {
                    return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
            return -1;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + status, e);
        }
    }
}
