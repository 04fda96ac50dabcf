package dev.apus.server.cli;

import dev.apus.models.EncoderCheckpoint;
import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.LanguageModel;
import dev.apus.scheduler.pooling.PoolingOptions;
import dev.apus.server.auth.KeyStore;
import dev.apus.server.auth.SecurityOptions;
import dev.apus.server.grpc.GrpcServices;
import dev.apus.server.http.HttpOptions;
import dev.apus.server.http.HttpServer;
import dev.apus.server.http.ListenException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Serves a model over HTTP until it is told to stop. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = "Serve a model over the OpenAI HTTP API.",
        footer = {
            "",
            "Options can also be given as environment variables (APUS_PORT=8001) and in a YAML file (--config FILE).",
            "SIGTERM or Ctrl-C: running requests finish, then it exits."
        })
final class ServeCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(ServeCommand.class);
    /** How long answers may take to leave after the engine has failed all requests: as long as a client takes to read them. */
    private static final Duration LAST_ANSWERS = Duration.ofSeconds(3);

    @Mixin
    private ModelArgs model = new ModelArgs();

    @Mixin
    private EngineArgs engine = new EngineArgs();

    @Mixin
    private ApiArgs api = new ApiArgs();

    @Mixin
    private WatchArgs watch = new WatchArgs();

    @Mixin
    private PoolingArgs pooling = new PoolingArgs();

    @Mixin
    private BatchArgs batches = new BatchArgs();

    @Option(
            names = "--host",
            paramLabel = "ADDRESS",
            defaultValue = "127.0.0.1",
            description = "Address to listen on; 0.0.0.0 for all. Default: ${DEFAULT-VALUE}")
    private String host = "127.0.0.1";

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "8000",
            description = "Port to listen on; 0 picks a free one. Default: ${DEFAULT-VALUE}")
    private int port;

    @Mixin
    private TlsArgs tls = new TlsArgs();

    @Option(names = "--served-model-name", paramLabel = "NAME", description = "Name of the model in the API.")
    private @Nullable String servedModelName;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "1024",
            description = "Most open connections. Default: ${DEFAULT-VALUE}")
    private int maxConnections;

    @Option(
            names = "--h2-max-concurrent-streams",
            paramLabel = "N",
            defaultValue = "1024",
            description = "Most requests at once on an HTTP/2 connection. Default: ${DEFAULT-VALUE}")
    private int h2MaxConcurrentStreams;

    @Option(
            names = "--allowed-hosts",
            paramLabel = "NAME",
            split = ",",
            description = "Names in the Host header to answer to besides localhost and the address; * for all."
                    + " Default: none, which on any other address than the loopback's means all")
    private List<String> allowedHosts = List.of();

    @Option(
            names = "--allowed-origins",
            paramLabel = "ORIGIN",
            split = ",",
            description = "Origins whose web pages may call the server (CORS); * for all. Default: none")
    private Set<String> allowedOrigins = Set.of();

    @Option(
            names = "--api-key",
            paramLabel = "KEY",
            split = ",",
            description =
                    "Clients must send this key, or one of several (repeat the option). Others see a command line;"
                            + " APUS_API_KEY or VLLM_API_KEY in the environment is better. Default: none, no key is needed")
    private List<String> apiKeys = List.of();

    @Option(
            names = "--admin-api-key",
            paramLabel = "KEY",
            split = ",",
            description = "Key that may also use the admin routes. Default: none")
    private List<String> adminApiKeys = List.of();

    @Option(
            names = "--api-keys-file",
            paramLabel = "FILE",
            description = "Keys with tenants, roles and quotas, which 'apus keys' makes; followed while it changes.")
    private @Nullable Path apiKeysFile;

    @Option(
            names = "--isolate-prefix-cache",
            description = "Tenants share no entries of the prefix cache. Default: off")
    private boolean isolatePrefixCache;

    @Option(
            names = "--admin-host",
            paramLabel = "ADDRESS",
            defaultValue = "127.0.0.1",
            description = "Address of --admin-port. Default: ${DEFAULT-VALUE}")
    private String adminHost = "127.0.0.1";

    @Option(
            names = "--admin-port",
            paramLabel = "N",
            description = "Take the administrator's orders (/pause, /reset_prefix_cache, ...) on this port alone."
                    + " Default: on --port")
    private @Nullable Integer adminPort;

    @Option(
            names = "--shutdown-timeout",
            paramLabel = "SECONDS",
            defaultValue = "30",
            description = "How long running requests may take to finish when told to stop. Default: ${DEFAULT-VALUE}")
    private int shutdownTimeout;

    @SuppressWarnings("UnusedVariable") // read by Settings, before the options are parsed
    @Option(names = "--config", paramLabel = "FILE", description = "YAML file with these options as keys.")
    private @Nullable String config;

    @Override
    public Integer call() throws InterruptedException {
        // What can be wrong with the command line is found before a model is fetched and loaded.
        HttpOptions http = UsageException.checked(this::httpOptions);
        EngineOptions options = UsageException.checked(engine::servingOptions);
        PoolingOptions pools = UsageException.checked(pooling::options);
        checkAddress(http);
        Path path = model.resolve();
        LanguageModel loaded = model.open(
                path,
                p -> LanguageModel.open(
                        p,
                        EncoderCheckpoint.isAt(p) ? engine.openEncoderBackend() : engine.openBackend(),
                        options,
                        servedModelName == null ? model.name() : servedModelName,
                        pools));
        HttpServer server;
        try {
            server = HttpServer.start(loaded.served(), http, GrpcServices::streams);
        } catch (ListenException e) {
            // Taken while the model was loaded.
            loaded.close();
            throw new UserException(String.valueOf(e.getMessage()), e);
        } catch (IllegalArgumentException e) {
            // A folder or a file that was good for nothing only when it was needed.
            loaded.close();
            throw new UserException(String.valueOf(e.getMessage()), e);
        } catch (RuntimeException e) {
            loaded.close();
            throw e;
        }
        WarmUp warmUp = loaded.served().generates() ? WarmUp.start(loaded.served()) : null;
        EngineWatch watched = new EngineWatch(
                () -> loaded.served().engine().stats().alive(), System.getenv(), InstantSource.system(), Restart::now);
        Thread hook = Thread.ofPlatform().name("apus-shutdown").unstarted(() -> {
            watched.stopping();
            LOG.info("stopping: running requests have {} s to finish", shutdownTimeout);
            if (warmUp != null) {
                warmUp.close();
            }
            server.shutdown(Duration.ofSeconds(shutdownTimeout));
            loaded.close();
            LOG.info("stopped");
            watched.stopped();
            // The JVM would report the signal (143); a stop that went well is a success.
            Runtime.getRuntime().halt(0);
        });
        Runtime.getRuntime().addShutdownHook(hook);
        announce(loaded, server);
        watched.await(() -> conclude(warmUp, server), () -> ports(server));
        return 0;
    }

    private static void conclude(@Nullable WarmUp warmUp, HttpServer server) {
        if (warmUp != null) {
            warmUp.close();
        }
        server.conclude(LAST_ANSWERS);
    }

    private static Map<String, String> ports(HttpServer server) {
        return Map.of(
                Restart.PORT, Integer.toString(server.port()),
                Restart.ADMIN_PORT, Integer.toString(server.adminPort()));
    }

    private static void checkAddress(HttpOptions http) {
        try {
            HttpServer.checkAddress(http);
        } catch (ListenException e) {
            throw new UserException(String.valueOf(e.getMessage()), e);
        }
    }

    private HttpOptions httpOptions() {
        if (shutdownTimeout < 0) {
            throw new UsageException("--shutdown-timeout is " + shutdownTimeout + ", must be 0 or more");
        }
        return HttpOptions.builder()
                .host(host)
                .port(Restart.port(port, System.getenv(), Restart.PORT))
                .maxConnections(maxConnections)
                .h2MaxConcurrentStreams(h2MaxConcurrentStreams)
                .tls(tls.options())
                .allowedHosts(Set.copyOf(allowedHosts))
                .allowedOrigins(allowedOrigins)
                .api(api.options())
                .watch(watch.options(System.getenv()))
                .security(security())
                .batches(batches.options())
                .build();
    }

    private SecurityOptions security() {
        Integer ownPort = adminPort;
        SecurityOptions security = new SecurityOptions(SecurityOptions.keys(apiKeys, adminApiKeys))
                .withKeysFile(apiKeysFile)
                .withIsolatedPrefixCache(isolatePrefixCache)
                .withAdmin(
                        ownPort == null
                                ? null
                                : new SecurityOptions.Address(
                                        adminHost, Restart.port(ownPort, System.getenv(), Restart.ADMIN_PORT)));
        // What is wrong with the keys is found before a model is loaded.
        new KeyStore(security).close();
        return security;
    }

    private void announce(LanguageModel loaded, HttpServer server) {
        String url = server.scheme() + "://" + (host.equals("0.0.0.0") ? "127.0.0.1" : host) + ":" + server.port();
        long sinceStart = System.currentTimeMillis()
                - ManagementFactory.getRuntimeMXBean().getStartTime();
        LOG.info(
                "apus {} serves {} on {}, ready in {} ms",
                Version.current(),
                loaded.served().name(),
                url,
                sinceStart);
        if (!loaded.served().generates()) {
            LOG.info(
                    "try: curl {}/v1/embeddings -H 'Content-Type: application/json' -d '{\"input\": [\"Hello\", \"world\"]}'",
                    url);
            return;
        }
        LOG.info(
                "try: curl -N {}/v1/chat/completions -H 'Content-Type: application/json' -d"
                        + " '{\"stream\": true, \"temperature\": 0, \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'",
                url);
    }
}
