package dev.apus.loadtest;

import dev.apus.loadtest.faults.CertFile;
import dev.apus.loadtest.faults.KeysFile;
import dev.apus.loadtest.gatling.GatlingRun;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The scenarios in which clients misbehave: {@code hostile} and {@code soak}. */
@Command(mixinStandardHelpOptions = true, sortOptions = false)
final class FaultCommand implements Callable<Integer> {
    private final Scenario scenario;

    @Mixin
    private TargetArgs target = new TargetArgs();

    @Mixin
    private LoadArgs load = new LoadArgs();

    @Mixin
    private FaultArgs faults = new FaultArgs();

    @Mixin
    private ResultArgs results = new ResultArgs();

    @Option(
            names = "--serve",
            paramLabel = "MODEL",
            description = "Start ./apus serve MODEL for the run, with TLS and keys that change, in place of --url.")
    private @Nullable String serve;

    @Option(
            names = "--serve-args",
            paramLabel = "ARGS",
            split = " ",
            description = "Further arguments for that server, in one word: '--threads 1'.")
    private List<String> serveArguments = new ArrayList<>();

    FaultCommand(Scenario scenario) {
        this.scenario = scenario;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path folder = results.folder(scenario.label());
        return serve == null ? ofOther(folder) : ofOwn(serve, folder);
    }

    private int ofOther(Path folder) throws IOException, InterruptedException {
        if (faults.keysFile() == null) {
            return run(target.target(), faults.keysFile(), faults.certFile(), 0, folder);
        }
        KeysFile file = new KeysFile(faults.keysFile());
        KeysFile.Key key = file.add();
        try {
            awaitKey(target.withoutModel(key.secret()), key.secret());
            return run(target.target(key.secret()), faults.keysFile(), faults.certFile(), 0, folder);
        } finally {
            file.remove(key);
        }
    }

    private int ofOwn(String model, Path folder) throws IOException, InterruptedException {
        Path keys = folder.resolve("keys.yaml");
        Path cert = folder.resolve("cert.pem");
        String key = new KeysFile(keys).add().secret();
        new CertFile(cert).renew();
        List<String> arguments =
                new ArrayList<>(List.of(model, "--api-keys-file", keys.toString(), "--ssl-certfile", cert.toString()));
        arguments.addAll(serveArguments);
        Path launcher =
                Path.of(System.getProperty("apus.root", ".")).resolve("apus").toAbsolutePath();
        try (ServedChild server = ServedChild.start(launcher, arguments, folder.resolve("server.log"))) {
            URI url = URI.create("https://127.0.0.1:" + server.url().getPort());
            return run(target.target(url, List.of(key)), keys, cert, server.pid(), folder);
        }
    }

    private int run(Target of, @Nullable Path keys, @Nullable Path cert, long pid, Path folder) throws IOException {
        Plan plan = new Plan(
                scenario,
                of,
                load.load(),
                load.limits(),
                load.mayRefuse(),
                faults.plan(scenario, keys, cert, pid),
                folder.resolve("report.json").toString());
        return results.tell(GatlingRun.run(plan, folder, results.html()), folder);
    }

    private static void awaitKey(Target of, String key) throws IOException, InterruptedException {
        try (ApiClient client = new ApiClient(of)) {
            for (int i = 0; i < 60; i++) {
                HttpResponse<String> response = client.get("/v1/models", key);
                if (response.statusCode() == 200) {
                    return;
                }
                Thread.sleep(500);
            }
        }
        throw new IOException(
                "a key put into --rotate-keys is not taken after 30 s: is it the server's --api-keys-file?");
    }
}
