package dev.apus.scheduler;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** A step of the engine, for Java Flight Recorder; its duration is the time from one step's beginning to the end of what it could read. */
@Name("dev.apus.Step")
@Label("Engine Step")
@Category("Apus")
@StackTrace(false)
final class StepEvent extends Event {
    @Label("Sequences")
    int sequences;

    @Label("Prompt Tokens")
    int promptTokens;

    @Label("Decode Tokens")
    int decodeTokens;

    @Label("Waiting Requests")
    int waiting;

    @Label("KV Blocks in Use")
    int usedBlocks;

    @Label("Scheduling")
    @Timespan(Timespan.NANOSECONDS)
    long schedule;

    @Label("Running")
    @Description("Launching the step, and waiting for the oldest in flight")
    @Timespan(Timespan.NANOSECONDS)
    long run;

    @Label("Emitting")
    @Description("Taking over what was drawn")
    @Timespan(Timespan.NANOSECONDS)
    long emit;
}
