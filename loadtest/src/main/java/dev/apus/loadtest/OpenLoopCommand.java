package dev.apus.loadtest;

import dev.apus.loadtest.measure.Board;
import dev.apus.loadtest.measure.Report;
import dev.apus.loadtest.measure.Series;
import dev.apus.loadtest.openloop.OpenLoop;
import dev.apus.loadtest.openloop.Protocol;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The open-loop client. */
@Command(
        name = "open-loop",
        aliases = "grpc",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "Requests that arrive at random, over gRPC or SSE, whatever the server does: latencies without Gatling."
                        + " Gives --rate, --duration, --prompt-tokens, --max-tokens, --timeout (the deadline) and --limit a meaning.")
final class OpenLoopCommand implements Callable<Integer> {
    @Mixin
    private TargetArgs target = new TargetArgs();

    @Mixin
    private LoadArgs load = new LoadArgs();

    @Mixin
    private ResultArgs results = new ResultArgs();

    @Option(
            names = "--protocol",
            paramLabel = "NAME",
            split = ",",
            defaultValue = "GRPC",
            description =
                    "grpc, sse, or grpc,sse: one after the other with the same arrivals and prompts. Default: grpc")
    private List<Protocol> protocols = new ArrayList<>();

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "Of arrivals and prompts. Default: 0")
    private long seed;

    @Option(
            names = "--warm-up",
            paramLabel = "TIME",
            defaultValue = "5s",
            converter = Seconds.class,
            description =
                    "Time of the same load before each protocol's measured one; 0: none. Default: ${DEFAULT-VALUE}")
    private int warmUp;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Target of = target.target();
        OpenLoop loop = new OpenLoop(of, load.load());
        Board board = new Board();
        for (Protocol protocol : protocols) {
            if (warmUp > 0) {
                // Other prompts than the measured ones: a prefix cache must not know those.
                new OpenLoop(of, load.load().during(warmUp)).run(protocol, ~seed, new Series());
            }
            loop.run(protocol, seed, board.series(protocol.label()));
        }
        List<String> names = protocols.stream().map(Protocol::label).toList();
        Report report =
                Report.judge("open-loop", board.snapshot(), load.limits(), names, load.mayRefuse() ? names : List.of());
        Path folder = results.folder("open-loop");
        Files.writeString(folder.resolve("report.json"), report.json().toPrettyString());
        System.out.println(report.text());
        System.out.println("Results: " + folder);
        return report.passed() ? 0 : 1;
    }
}
