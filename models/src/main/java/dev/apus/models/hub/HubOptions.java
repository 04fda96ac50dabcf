package dev.apus.models.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where models are looked for and how they are fetched.
 *
 * @param hub which hub {@code org/name} means
 * @param revision branch, tag or commit of a name that carries none; null for the hub's default branch
 * @param cache our own folder, for models out of packages ({@code APUS_CACHE}, else {@code $XDG_CACHE_HOME/apus}, {@code ~/.cache/apus})
 * @param huggingFaceCache the hub client's own cache, shared with Python's ({@code HF_HUB_CACHE}, {@code HF_HOME/hub})
 * @param huggingFaceEndpoint base address of the Hugging Face hub ({@code HF_ENDPOINT})
 * @param huggingFaceToken sent to that endpoint only ({@code HF_TOKEN}, {@code HF_TOKEN_PATH}, {@code HF_HOME/token}); null for none
 * @param modelScopeCache ModelScope's cache ({@code MODELSCOPE_CACHE}, else {@code ~/.cache/modelscope/hub})
 * @param modelScopeEndpoint base address of ModelScope ({@code MODELSCOPE_ENDPOINT}, {@code MODELSCOPE_DOMAIN})
 * @param modelScopeToken sent to that endpoint only ({@code MODELSCOPE_API_TOKEN}); null for none
 * @param proxy the HTTP proxy and what is reached without it ({@code HTTPS_PROXY}, {@code ALL_PROXY}, {@code HTTP_PROXY},
 *     {@code NO_PROXY}, in capitals or not); null for the JVM's own proxy properties
 * @param offline never touch a network ({@code HF_HUB_OFFLINE})
 * @param connections files fetched at once, 1 to 64
 * @param connectTimeout how long a host may take to be found and to accept; short, so that a closed network is noticed at once
 * @param readTimeout how long a response may stand still, or stay below a crawl, before it is broken off and tried again
 * @param retries how often a request without progress is tried again after 429, 5xx or a broken connection
 * @param retryDelay the first pause between two tries; doubled each time, up to 16 times
 */
public record HubOptions(
        HubKind hub,
        @Nullable String revision,
        Path cache,
        Path huggingFaceCache,
        URI huggingFaceEndpoint,
        @Nullable String huggingFaceToken,
        Path modelScopeCache,
        URI modelScopeEndpoint,
        @Nullable String modelScopeToken,
        @Nullable HubProxy proxy,
        boolean offline,
        int connections,
        Duration connectTimeout,
        Duration readTimeout,
        int retries,
        Duration retryDelay) {

    /** Hubs refuse clients with more, and no line is filled better by them. */
    private static final int MAX_CONNECTIONS = 64;
    /** A token is some forty characters; a file much larger is something else, put there by mistake. */
    private static final int MAX_TOKEN_BYTES = 64 * 1024;

    public HubOptions {
        ModelRef.checkRevision(revision);
        checkEndpoint("Hugging Face endpoint (HF_ENDPOINT)", huggingFaceEndpoint);
        checkEndpoint("ModelScope endpoint (MODELSCOPE_ENDPOINT)", modelScopeEndpoint);
        checkToken("HF_TOKEN", huggingFaceToken);
        checkToken("MODELSCOPE_API_TOKEN", modelScopeToken);
        if (connections < 1 || connections > MAX_CONNECTIONS) {
            throw new IllegalArgumentException("connections is " + connections + "; allowed: 1 to " + MAX_CONNECTIONS);
        }
        if (retries < 0 || retryDelay.isNegative()) {
            throw new IllegalArgumentException(
                    "retries is " + retries + " and retryDelay " + retryDelay + "; neither may be negative");
        }
        if (!connectTimeout.isPositive() || !readTimeout.isPositive()) {
            throw new IllegalArgumentException("connectTimeout is " + connectTimeout + " and readTimeout " + readTimeout
                    + "; both must be positive");
        }
    }

    /**
     * The options that an environment asks for, by the variables that the hubs' own clients read.
     *
     * @param env usually {@link System#getenv()}
     * @throws IllegalArgumentException if a variable holds what it cannot; the message names it
     */
    public static HubOptions fromEnvironment(Map<String, String> env) {
        Env vars = new Env(env);
        Path home = Path.of(vars.or("HOME", System.getProperty("user.home")));
        Path caches = vars.path("XDG_CACHE_HOME", home, home.resolve(".cache"));
        Path hfHome = vars.path("HF_HOME", home, caches.resolve("huggingface"));
        Path hfCache = vars.path("HF_HUB_CACHE", home, vars.path("HUGGINGFACE_HUB_CACHE", home, hfHome.resolve("hub")));
        String hfToken = vars.get("HF_TOKEN");
        if (hfToken == null) {
            hfToken = vars.get("HUGGING_FACE_HUB_TOKEN");
        }
        if (hfToken == null) {
            hfToken = readToken(vars.path("HF_TOKEN_PATH", home, hfHome.resolve("token")));
        }
        String domain = vars.or("MODELSCOPE_DOMAIN", "www.modelscope.cn");
        return new HubOptions(
                HubKind.HUGGINGFACE,
                null,
                vars.path("APUS_CACHE", home, caches.resolve("apus")),
                hfCache,
                vars.uri("HF_ENDPOINT", "https://huggingface.co"),
                hfToken,
                vars.path("MODELSCOPE_CACHE", home, home.resolve(".cache/modelscope/hub")),
                vars.uri("MODELSCOPE_ENDPOINT", domain.contains("://") ? domain : "https://" + domain),
                vars.get("MODELSCOPE_API_TOKEN"),
                vars.proxy(),
                vars.flag("HF_HUB_OFFLINE") || vars.flag("TRANSFORMERS_OFFLINE"),
                8,
                Duration.ofSeconds(3),
                Duration.ofSeconds(30),
                5,
                Duration.ofMillis(500));
    }

    /** These options with another hub. */
    public HubOptions withHub(HubKind hub) {
        return new HubOptions(
                hub,
                revision,
                cache,
                huggingFaceCache,
                huggingFaceEndpoint,
                huggingFaceToken,
                modelScopeCache,
                modelScopeEndpoint,
                modelScopeToken,
                proxy,
                offline,
                connections,
                connectTimeout,
                readTimeout,
                retries,
                retryDelay);
    }

    /** These options with another revision for names that carry none; null for the hub's default branch. */
    public HubOptions withRevision(@Nullable String revision) {
        return new HubOptions(
                hub,
                revision,
                cache,
                huggingFaceCache,
                huggingFaceEndpoint,
                huggingFaceToken,
                modelScopeCache,
                modelScopeEndpoint,
                modelScopeToken,
                proxy,
                offline,
                connections,
                connectTimeout,
                readTimeout,
                retries,
                retryDelay);
    }

    /** These options with or without the network. */
    public HubOptions withOffline(boolean offline) {
        return new HubOptions(
                hub,
                revision,
                cache,
                huggingFaceCache,
                huggingFaceEndpoint,
                huggingFaceToken,
                modelScopeCache,
                modelScopeEndpoint,
                modelScopeToken,
                proxy,
                offline,
                connections,
                connectTimeout,
                readTimeout,
                retries,
                retryDelay);
    }

    /** These options with another number of files fetched at once. */
    public HubOptions withConnections(int connections) {
        return new HubOptions(
                hub,
                revision,
                cache,
                huggingFaceCache,
                huggingFaceEndpoint,
                huggingFaceToken,
                modelScopeCache,
                modelScopeEndpoint,
                modelScopeToken,
                proxy,
                offline,
                connections,
                connectTimeout,
                readTimeout,
                retries,
                retryDelay);
    }

    /** These options with other limits on waiting. */
    public HubOptions withTimeouts(Duration connectTimeout, Duration readTimeout) {
        return new HubOptions(
                hub,
                revision,
                cache,
                huggingFaceCache,
                huggingFaceEndpoint,
                huggingFaceToken,
                modelScopeCache,
                modelScopeEndpoint,
                modelScopeToken,
                proxy,
                offline,
                connections,
                connectTimeout,
                readTimeout,
                retries,
                retryDelay);
    }

    /** These options with another policy of trying again. */
    public HubOptions withRetries(int retries, Duration retryDelay) {
        return new HubOptions(
                hub,
                revision,
                cache,
                huggingFaceCache,
                huggingFaceEndpoint,
                huggingFaceToken,
                modelScopeCache,
                modelScopeEndpoint,
                modelScopeToken,
                proxy,
                offline,
                connections,
                connectTimeout,
                readTimeout,
                retries,
                retryDelay);
    }

    /** Without the tokens and without a proxy's password: options end up in logs. */
    @Override
    public String toString() {
        return "HubOptions[hub=" + hub + ", revision=" + revision + ", cache=" + cache + ", huggingFaceCache="
                + huggingFaceCache + ", huggingFaceEndpoint=" + huggingFaceEndpoint + ", huggingFaceToken="
                + (huggingFaceToken == null ? "none" : "set") + ", modelScopeCache=" + modelScopeCache
                + ", modelScopeEndpoint=" + modelScopeEndpoint + ", modelScopeToken="
                + (modelScopeToken == null ? "none" : "set") + ", proxy=" + (proxy == null ? "none" : proxy)
                + ", offline=" + offline + ", connections=" + connections + ", connectTimeout=" + connectTimeout
                + ", readTimeout=" + readTimeout + ", retries=" + retries + ", retryDelay=" + retryDelay + "]";
    }

    private static void checkEndpoint(String name, URI endpoint) {
        boolean http = "https".equalsIgnoreCase(endpoint.getScheme()) || "http".equalsIgnoreCase(endpoint.getScheme());
        if (!http || endpoint.getHost() == null || endpoint.getQuery() != null || endpoint.getFragment() != null) {
            throw new IllegalArgumentException(name + " is " + Names.quote(endpoint.toString())
                    + "; a base address like https://host is expected");
        }
    }

    private static void checkToken(String name, @Nullable String token) {
        // the token itself stays out of the message
        if (token != null && !token.chars().allMatch(c -> c > ' ' && c < 127)) {
            throw new IllegalArgumentException(
                    name + " holds characters that no token has (blanks, line ends or other non-ASCII); set it anew");
        }
    }

    private static @Nullable String readToken(Path file) {
        if (!Files.isRegularFile(file)) {
            return null;
        }
        try {
            if (Files.size(file) > MAX_TOKEN_BYTES) {
                throw new IllegalArgumentException(file + " has " + Files.size(file)
                        + " bytes, too many for a token; correct HF_TOKEN_PATH or the file");
            }
            String token = Files.readString(file).strip();
            return token.isEmpty() ? null : token;
        } catch (IOException e) {
            throw new UncheckedIOException("the token file " + file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Reads variables; an empty one counts as not set, as the hubs' clients have it. */
    private record Env(Map<String, String> vars) {
        @Nullable
        String get(String name) {
            String value = vars.get(name);
            return value == null || value.isBlank() ? null : value.strip();
        }

        String or(String name, String fallback) {
            String value = get(name);
            return value == null ? fallback : value;
        }

        /** The first of the usual variables that is set: hubs are reached by https. */
        @Nullable
        HubProxy proxy() {
            for (String name : List.of("HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY")) {
                for (String variable : List.of(name, name.toLowerCase(Locale.ROOT))) {
                    String address = get(variable);
                    if (address != null) {
                        String exceptions = get("NO_PROXY");
                        return HubProxy.of(variable, address, exceptions == null ? get("no_proxy") : exceptions);
                    }
                }
            }
            return null;
        }

        Path path(String name, Path home, Path fallback) {
            String value = get(name);
            if (value == null) {
                return fallback;
            }
            return value.equals("~") || value.startsWith("~/")
                    ? home.resolve(value.substring(1).replaceFirst("^/", ""))
                    : Path.of(value);
        }

        URI uri(String name, String fallback) {
            return parse(name, or(name, fallback));
        }

        static URI parse(String name, String value) {
            try {
                return URI.create(value.replaceFirst("/+$", ""));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(name + " is " + Names.quote(value) + ", which is no address", e);
            }
        }

        boolean flag(String name) {
            String value = or(name, "0").toUpperCase(Locale.ROOT);
            return value.equals("1") || value.equals("ON") || value.equals("YES") || value.equals("TRUE");
        }
    }
}
