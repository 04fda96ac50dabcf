package dev.apus.models.hub;

import java.io.PrintStream;
import java.util.HashMap;
import java.util.Map;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import org.jspecify.annotations.Nullable;

/** Shows fetches to the one who waits: one bar over all files on a terminal, a line at the start and end of each file elsewhere. */
public final class ConsoleProgress implements ProgressListener, AutoCloseable {
    /** Often enough to look alive, seldom enough that a slow terminal costs nothing. */
    private static final int UPDATE_MILLIS = 200;

    private static final long MEGABYTE = 1_000_000;

    private final PrintStream out;
    private final boolean terminal;
    private final Map<String, long[]> files = new HashMap<>(); // name -> {total, present}
    private @Nullable ProgressBar bar;

    /**
     * @param out usually {@link System#err}, so that standard output stays clean
     * @param terminal whether a bar can be drawn over itself there
     */
    public ConsoleProgress(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** On standard error, with a bar if this process runs in a terminal. */
    @SuppressWarnings("SystemConsoleNull") // JDK 25 went back to null where there is no terminal
    public static ConsoleProgress onStandardError() {
        java.io.Console console = System.console();
        return new ConsoleProgress(System.err, console != null && console.isTerminal());
    }

    @Override
    public synchronized void started(String file, long totalBytes, long presentBytes) {
        boolean again = files.put(file, new long[] {totalBytes, presentBytes}) != null;
        if (!terminal) {
            String size = totalBytes < 0 ? "" : " (" + Names.bytes(totalBytes) + ")";
            String part = presentBytes > 0 ? ", going on at " + Names.bytes(presentBytes) : again ? ", again" : "";
            out.println("fetching " + file + size + part);
            return;
        }
        ProgressBar shown = bar;
        if (shown == null) {
            shown = new ProgressBarBuilder()
                    .setTaskName("fetching")
                    .setUnit(" MB", MEGABYTE)
                    .showSpeed()
                    .setUpdateIntervalMillis(UPDATE_MILLIS)
                    .setConsumer(new ConsoleProgressBarConsumer(out))
                    .build();
            bar = shown;
        }
        redraw(shown);
    }

    @Override
    public synchronized void advanced(String file, long bytes) {
        long[] state = files.get(file);
        if (state != null) {
            state[1] += bytes;
        }
        ProgressBar shown = bar;
        if (shown != null) {
            redraw(shown);
        }
    }

    @Override
    public synchronized void finished(String file) {
        if (!terminal) {
            out.println("fetched " + file);
        }
    }

    private void redraw(ProgressBar shown) {
        long total = 0;
        long present = 0;
        for (long[] state : files.values()) {
            total += Math.max(state[0], state[1]);
            present += state[1];
        }
        shown.maxHint(total);
        shown.stepTo(present);
    }

    /** Leaves the bar as it stands and goes to the next line. */
    @Override
    public synchronized void close() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }
}
