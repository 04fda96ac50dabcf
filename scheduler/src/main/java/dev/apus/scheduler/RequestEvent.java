package dev.apus.scheduler;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** The end of a sequence in the engine, for Java Flight Recorder. */
@Name("dev.apus.Request")
@Label("Request")
@Category("Apus")
@StackTrace(false)
final class RequestEvent extends Event {
    @Label("Request ID")
    String requestId = "";

    @Label("Tenant")
    String tenant = "";

    @Label("Reason")
    String reason = "";

    @Label("Prompt Tokens")
    int promptTokens;

    @Label("Cached Tokens")
    int cachedTokens;

    @Label("Generated Tokens")
    int generatedTokens;

    @Label("Preemptions")
    int preemptions;

    @Label("Before Scheduling")
    @Timespan(Timespan.NANOSECONDS)
    long queue;

    @Label("Prefill")
    @Timespan(Timespan.NANOSECONDS)
    long prefill;

    @Label("Decode")
    @Timespan(Timespan.NANOSECONDS)
    long decode;
}
