package dev.apus.server.cli;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A program that replaces itself once, and tells before and after what it finds; for {@link RestartTest}. */
final class RestartedProgram {
    private RestartedProgram() {}

    public static void main(String[] arguments) throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        say("pid", ProcessHandle.current().pid());
        say("arguments", List.of(arguments));
        say("kept", System.getenv("KEPT"));
        say("restarted", System.getenv(Restart.AT) != null);
        say("sockets", sockets());
        say("obstacle", Restart.obstacle(System.getenv(), Instant.now()));
        if (System.getenv(Restart.AT) == null) {
            try (ServerSocket listening = new ServerSocket(0, 10, loopback)) {
                say("port", listening.getLocalPort());
                // A client is connected, which waits for an answer.
                try (Socket client = listening.accept()) {
                    client.getOutputStream().write('x');
                    Restart.now(Map.of(
                            Restart.AT, Long.toString(Instant.now().getEpochSecond()),
                            Restart.PORT, Integer.toString(listening.getLocalPort())));
                }
            }
        }
        try (ServerSocket listening = new ServerSocket()) {
            listening.bind(new InetSocketAddress(loopback, Restart.port(0, System.getenv(), Restart.PORT)));
            say("port", listening.getLocalPort());
            // Lives until its parent has seen that it does.
            listening.accept().close();
        }
    }

    private static void say(String name, @Nullable Object value) {
        System.out.println(name + "=" + value);
    }

    private static long sockets() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.filter(RestartedProgram::isSocket).count();
        }
    }

    private static boolean isSocket(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
        } catch (IOException e) {
            return false; // the listing's own descriptor, closed by now
        }
    }
}
