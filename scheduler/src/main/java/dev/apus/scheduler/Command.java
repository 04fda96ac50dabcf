package dev.apus.scheduler;

import dev.apus.scheduler.pooling.Turns;
import java.util.concurrent.CompletableFuture;

/** What goes into the engine. A {@link Submission} is its own command, so that queueing one allocates nothing. */
sealed interface Command
        permits Submission, Command.Abort, Command.Drain, Command.ResetPrefixCache, Command.Between, Command.Close {
    /** End this request. */
    record Abort(String requestId) implements Command {}

    /** Complete {@code done} when nothing is left; abort what is left at {@code deadline} ({@link System#nanoTime}). */
    record Drain(boolean limited, long deadline, CompletableFuture<Void> done) implements Command {}

    /** Take this turn between two steps. */
    record Between(Turns.Turn turn) implements Command {}

    /** Forget what the prefix cache holds, then complete {@code done}. */
    record ResetPrefixCache(CompletableFuture<Void> done) implements Command {}

    /** Abort everything and end. */
    record Close() implements Command {}
}
