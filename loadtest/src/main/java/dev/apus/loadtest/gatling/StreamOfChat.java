package dev.apus.loadtest.gatling;

import static io.gatling.javaapi.core.CoreDsl.StringBody;
import static io.gatling.javaapi.core.CoreDsl.bodyString;
import static io.gatling.javaapi.core.CoreDsl.doIfOrElse;
import static io.gatling.javaapi.core.CoreDsl.exec;
import static io.gatling.javaapi.core.CoreDsl.regex;
import static io.gatling.javaapi.core.CoreDsl.substring;
import static io.gatling.javaapi.http.HttpDsl.sse;

import dev.apus.loadtest.Plan;
import dev.apus.loadtest.Prompts;
import dev.apus.loadtest.measure.Board;
import dev.apus.loadtest.measure.Series;
import io.gatling.http.action.sse.SseInboundMessage;
import io.gatling.javaapi.core.ChainBuilder;
import io.gatling.javaapi.core.Session;
import io.gatling.javaapi.http.SseConnectActionBuilder;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One streamed answer: asked for, checked, measured.
 *
 * <p>Gatling keeps the time of every message in whole milliseconds; the first token and the end are taken in nanoseconds as they come.
 */
final class StreamOfChat {
    private static final String STREAM = "stream";
    private static final String START = "start";
    private static final String FIRST = "first";
    private static final String END = "end";

    /** A piece of text that is not empty; the first event of a chat has a role only. */
    private static final String TEXT = "\"(?:content|text|reasoning|reasoning_content)\"\\s*:\\s*\"[^\"]";

    /** Where all of an answer's tokens show no text, its end is the first that is seen of it. */
    private static final String TEXT_OR_END = TEXT + "|\"finish_reason\"\\s*:\\s*\"";

    private static final Pattern PIECE = Pattern.compile(TEXT);
    private static final Pattern PROMPT = Pattern.compile("\"prompt_tokens\"\\s*:\\s*([0-9]+)");
    private static final Pattern OUTPUT = Pattern.compile("\"completion_tokens\"\\s*:\\s*([0-9]+)");
    private static final Pattern ID = Pattern.compile("\"id\"\\s*:\\s*\"([^\"]*)\"");

    /** As Gatling writes the status of an answer that is no stream. */
    private static final Pattern BUSY = Pattern.compile("\\bcode (429|503)\\b");

    private final Plan plan;
    private final Board board;
    private final Supplier<String> series;
    private final int promptTokens;
    private final Tap tap = new Tap(this::failed);

    /** When something was seen, by both clocks. */
    private record Moment(long nanos, long millis) {
        static Moment now() {
            return new Moment(System.nanoTime(), System.currentTimeMillis());
        }
    }

    /**
     * @param series name of the series that a request now belongs to
     * @param promptTokens about so many
     */
    StreamOfChat(Plan plan, Board board, Supplier<String> series, int promptTokens) {
        this.plan = plan;
        this.board = board;
        this.series = series;
        this.promptTokens = promptTokens;
    }

    /** @param headers to be added, with values of now */
    ChainBuilder chain(Function<SseConnectActionBuilder, SseConnectActionBuilder> headers) {
        Duration patience = Duration.ofSeconds(plan.load().timeoutSeconds());
        SseConnectActionBuilder request = headers.apply(
                sse("request").sseName(STREAM).post(plan.target().endpoint()).body(StringBody(session -> body())));
        SseConnectActionBuilder checked = request.await(patience)
                .on(sse.checkMessage("first token")
                        .matching(regex(TEXT_OR_END))
                        .check(bodyString().transform(body -> Moment.now()).saveAs(FIRST)))
                .await(patience)
                .on(sse.checkMessage("the other tokens")
                        .matching(substring("[DONE]"))
                        .check(bodyString().transform(body -> Moment.now()).saveAs(END)));
        return exec(session -> session.set(START, Moment.now()))
                .exec(tap.heard(checked))
                .exec(doIfOrElse(Session::isFailed)
                        // What has failed may still be open: a check that had no patience left does not end the stream.
                        .then(exec(sse("close").sseName(STREAM).close()))
                        .orElse(exec(sse.processUnmatchedMessages(STREAM, this::measure))));
    }

    private String body() {
        return Prompts.body(
                plan.target(),
                Prompts.words(promptTokens, ThreadLocalRandom.current()),
                plan.load().maxTokens(),
                true);
    }

    private void failed(String reason) {
        Series now = board.series(series.get());
        Matcher busy = BUSY.matcher(reason);
        if (busy.find()) {
            now.refused(busy.group(1));
        } else {
            now.failed(reason);
        }
    }

    private Session measure(List<SseInboundMessage> messages, Session session) {
        Moment start = moment(session, START);
        Moment first = moment(session, FIRST);
        Moment end = moment(session, END);
        String name = series.get();
        Series now = board.series(name);
        if (askedTwice(messages)) {
            now.failed("the connection broke in the middle of the answer (Gatling then asked again)");
            return session.markAsFailed();
        }
        now.completed(start.nanos, first.nanos, end.nanos, last(messages, PROMPT), Math.max(1, last(messages, OUTPUT)));
        tap.tell(session.scenario(), ReportNames.firstToken(name), start.millis, first.millis);
        long before = first.millis;
        for (SseInboundMessage message : messages) {
            // The events before the first token are here as well.
            if (message.timestamp() >= first.millis
                    && PIECE.matcher(message.message()).find()) {
                now.gap((message.timestamp() - before) * 1_000_000);
                tap.tell(session.scenario(), ReportNames.gap(name), before, message.timestamp());
                before = message.timestamp();
            }
        }
        return session;
    }

    private static Moment moment(Session session, String name) {
        return Objects.requireNonNull(session.<Moment>get(name), name);
    }

    /** Gatling asks anew, without a word, when a connection ends within a stream: the two answers differ by their ids. */
    private static boolean askedTwice(List<SseInboundMessage> messages) {
        return messages.stream()
                        .map(message -> ID.matcher(message.message()))
                        .filter(Matcher::find)
                        .map(matcher -> matcher.group(1))
                        .distinct()
                        .count()
                > 1;
    }

    private static long last(List<SseInboundMessage> messages, Pattern number) {
        for (SseInboundMessage message : messages.reversed()) {
            Matcher found = number.matcher(message.message());
            if (found.find()) {
                return Long.parseLong(found.group(1));
            }
        }
        return 0;
    }
}
