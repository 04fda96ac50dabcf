package dev.apus.loadtest.openloop;

import dev.apus.loadtest.Prompts;
import dev.apus.loadtest.Target;
import dev.apus.loadtest.Trust;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** OpenAI's streams over HTTP/1.1: server-sent events. */
final class SseClient implements StreamClient {
    private static final Pattern PIECE =
            Pattern.compile("\"(?:content|text|reasoning|reasoning_content)\"\\s*:\\s*\"[^\"]");
    private static final Pattern USAGE =
            Pattern.compile("\"prompt_tokens\"\\s*:\\s*([0-9]+).*?\"completion_tokens\"\\s*:\\s*([0-9]+)");
    private static final Pattern USAGE_TURNED =
            Pattern.compile("\"completion_tokens\"\\s*:\\s*([0-9]+).*?\"prompt_tokens\"\\s*:\\s*([0-9]+)");

    private final Target target;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .sslContext(Trust.everybody())
            .connectTimeout(Duration.ofSeconds(30))
            .build();

    SseClient(Target target) {
        this.target = target;
    }

    @Override
    public void stream(String prompt, int maxTokens, long deadlineMillis, StreamListener listener)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(target.base() + target.endpoint()))
                .timeout(Duration.ofMillis(deadlineMillis))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Prompts.body(target, prompt, maxTokens, true)));
        if (target.key() != null) {
            request.header("Authorization", "Bearer " + target.key());
        }
        long end = System.nanoTime() + deadlineMillis * 1_000_000;
        HttpResponse<InputStream> response = http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            int status = response.statusCode();
            if (status == 429 || status == 503) {
                throw new BusyException(String.valueOf(status));
            }
            if (status != 200) {
                throw new IOException("status " + status + ": " + lines.readLine());
            }
            read(lines, end, listener);
        }
    }

    private static void read(BufferedReader lines, long end, StreamListener listener) throws IOException {
        while (true) {
            String line = lines.readLine();
            if (line == null) {
                throw new IOException("the stream ended without [DONE]");
            }
            if (line.equals("data: [DONE]")) {
                return;
            }
            if (System.nanoTime() > end) {
                throw new IOException("the deadline has passed");
            }
            if (PIECE.matcher(line).find()) {
                listener.piece();
            }
            usage(line, listener);
        }
    }

    private static void usage(String line, StreamListener listener) {
        if (!line.contains("\"completion_tokens\"")) {
            return;
        }
        Matcher usage = USAGE.matcher(line);
        Matcher turned = USAGE_TURNED.matcher(line);
        if (usage.find()) {
            listener.usage(Long.parseLong(usage.group(1)), Long.parseLong(usage.group(2)));
        } else if (turned.find()) {
            listener.usage(Long.parseLong(turned.group(2)), Long.parseLong(turned.group(1)));
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
