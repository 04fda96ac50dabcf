package dev.apus.loadtest.faults;

import dev.apus.loadtest.Prompts;
import dev.apus.loadtest.Target;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.random.RandomGenerator;
import javax.net.ssl.SSLException;

/** Clients of HTTP/1.1 that behave badly, and some that do not. */
final class HttpFaults {
    private static final int TOKENS = 24;
    private static final int MANY_TOKENS = 400;
    private static final int SMALL_BUFFER = 4096;
    private static final String DONE = "data: [DONE]";

    private final Target target;
    private final Keys keys;
    private final Outcomes outcomes;

    HttpFaults(Target target, Keys keys, Outcomes outcomes) {
        this.target = target;
        this.keys = keys;
        this.outcomes = outcomes;
    }

    /** Reads a part of a stream and goes, half of the time with a reset. */
    String killed(RandomGenerator random) throws IOException {
        try (Socket socket = RawHttp.connect(target)) {
            send(socket, stream(random, MANY_TOKENS));
            outcomes.open(1);
            int read = socket.getInputStream().readNBytes(random.nextInt(4000)).length;
            if (read >= 12 && random.nextBoolean()) {
                socket.setSoLinger(true, 0);
            }
            return "gone";
        }
    }

    /** Reads a stream by a few bytes at a time; the server may lose patience, but must not mix anything up. */
    String slowReader(RandomGenerator random) throws IOException, InterruptedException {
        try (Socket socket = RawHttp.connect(target, SMALL_BUFFER)) {
            send(socket, stream(random, MANY_TOKENS));
            outcomes.open(1);
            StringBuilder answer = new StringBuilder();
            byte[] some = new byte[256];
            InputStream in = socket.getInputStream();
            while (true) {
                Thread.sleep(20 + random.nextInt(60));
                int count = in.read(some);
                if (count < 0) {
                    break;
                }
                answer.append(new String(some, 0, count, StandardCharsets.ISO_8859_1));
            }
            return streamed(answer.toString());
        }
    }

    /** Reads nothing for longer than the server waits for a reader. */
    String deaf(RandomGenerator random) throws IOException, InterruptedException {
        try (Socket socket = RawHttp.connect(target, SMALL_BUFFER)) {
            send(socket, stream(random, MANY_TOKENS));
            outcomes.open(1);
            Thread.sleep(40_000);
            try {
                socket.getInputStream().readAllBytes();
                return "came or was cut off";
            } catch (SocketException | SSLException e) {
                return "cut off";
            }
        }
    }

    /** Ends its sending side: looks like a client that goes. */
    String halfClosed(RandomGenerator random) throws IOException {
        try (Socket socket = RawHttp.connect(target)) {
            send(socket, stream(random, TOKENS));
            outcomes.open(1);
            socket.shutdownOutput();
            String answer;
            try {
                answer = read(socket);
            } catch (SocketException | SSLException e) {
                return "cut off";
            }
            if (answer.isEmpty()) {
                return "closed";
            }
            if (answer.contains("connection_half_closed")) {
                return "told so";
            }
            return streamed(answer);
        }
    }

    /** Goes within its request. */
    String leavesEarly(RandomGenerator random) throws IOException {
        try (Socket socket = RawHttp.connect(target)) {
            byte[] request = stream(random, TOKENS);
            socket.getOutputStream().write(request, 0, 1 + random.nextInt(request.length - 1));
            socket.getOutputStream().flush();
            return "gone";
        }
    }

    /** Too much of something. */
    String oversized(RandomGenerator random) throws IOException {
        return switch (random.nextInt(3)) {
            case 0 ->
                refused(
                        RawHttp.head(target, target.endpoint(), keys.of(0), "Content-Length: 1073741824\r\n"),
                        Set.of(413));
            case 1 ->
                refused(
                        RawHttp.head(target, target.endpoint(), keys.of(0), "x-much: " + "a".repeat(20_000) + "\r\n"),
                        Set.of(431));
            default ->
                refused(post(Prompts.body(target, "word ".repeat(200_000), TOKENS, true)), Set.of(400, 413, 503));
        };
    }

    /** Nothing that could be answered otherwise than by 4xx. */
    String malformed(RandomGenerator random) throws IOException {
        String good = Prompts.body(target, Prompts.words(8, random), TOKENS, false);
        return switch (random.nextInt(5)) {
            case 0 -> refused(post(good.substring(0, 20 + random.nextInt(good.length() - 21))), Set.of(400));
            case 1 ->
                refused(
                        post(Prompts.object(target, "hi", TOKENS, false)
                                .put("temperature", "hot")
                                .toString()),
                        Set.of(400, 422));
            case 2 ->
                refused(
                        post(Prompts.object(target, "hi", TOKENS, false)
                                .put("model", "no-such-model")
                                .toString()),
                        Set.of(403, 404));
            case 3 -> refused(post("{\"messages\":" + "[".repeat(5000) + "]".repeat(5000) + "}"), Set.of(400));
            default -> {
                byte[] noise = new byte[200];
                for (int i = 0; i < noise.length; i++) {
                    noise[i] = (byte) (33 + random.nextInt(90));
                }
                noise[100] = '\r';
                noise[101] = '\n';
                yield garbage(noise);
            }
        };
    }

    /** A key that nobody has. */
    String wrongKey(RandomGenerator random) throws IOException {
        String body = Prompts.body(target, "hi", TOKENS, false);
        byte[] request = RawHttp.post(target, target.endpoint(), "sk-apus-" + random.nextLong(), body);
        return refused(request, Set.of(401));
    }

    /** What clients mostly do. */
    String whole(RandomGenerator random) throws IOException {
        int choices = target.endpoint().equals(Target.COMPLETIONS) ? 1 + random.nextInt(3) : 1;
        var body = Prompts.object(target, Prompts.words(8, random), TOKENS, false);
        if (choices > 1) {
            body.put("n", choices);
        }
        try (Socket socket = RawHttp.connect(target)) {
            send(socket, post(body.toString()));
            String answer = read(socket);
            int status = RawHttp.status(answer);
            if (status == 429) {
                return "429";
            }
            if (status != 200 || !answer.contains("\"usage\"")) {
                throw new IOException("no answer: " + RawHttp.brief(answer));
            }
            outcomes.whole(choices);
            return "200";
        }
    }

    private byte[] stream(RandomGenerator random, int tokens) {
        return post(Prompts.body(target, Prompts.words(8, random), tokens, true));
    }

    private byte[] post(String body) {
        return RawHttp.post(target, target.endpoint(), keys.of(0), body);
    }

    private static void send(Socket socket, byte[] request) throws IOException {
        socket.getOutputStream().write(request);
        socket.getOutputStream().flush();
    }

    private static String read(Socket socket) throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private static String streamed(String answer) throws IOException {
        int status = RawHttp.status(answer);
        if (status == 429) {
            return "429";
        }
        if (status != 200) {
            throw new IOException("no stream: " + RawHttp.brief(answer));
        }
        return answer.contains(DONE) ? "came whole" : "cut off";
    }

    /** Sends what is to be refused; the server may close before it has read all, which looks like a reset. */
    private String refused(byte[] request, Set<Integer> right) throws IOException {
        try (Socket socket = RawHttp.connect(target)) {
            String answer;
            try {
                send(socket, request);
                answer = read(socket);
            } catch (SocketTimeoutException e) {
                throw e;
            } catch (SocketException | SSLException e) {
                return "closed while it was sent";
            }
            int status = RawHttp.status(answer);
            if (!right.contains(status)) {
                throw new IOException("wanted " + right + ", got " + RawHttp.brief(answer));
            }
            return String.valueOf(status);
        }
    }

    private String garbage(byte[] noise) throws IOException {
        try (Socket socket = RawHttp.connect(target)) {
            String answer;
            try {
                send(socket, noise);
                socket.shutdownOutput();
                answer = read(socket);
            } catch (SocketTimeoutException e) {
                throw e;
            } catch (SocketException | SSLException e) {
                return "closed";
            }
            if (answer.isEmpty()) {
                return "closed";
            }
            int status = RawHttp.status(answer);
            if (status / 100 != 4) {
                throw new IOException("noise got " + RawHttp.brief(answer));
            }
            return String.valueOf(status);
        }
    }
}
