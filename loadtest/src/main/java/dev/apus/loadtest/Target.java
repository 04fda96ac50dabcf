package dev.apus.loadtest;

import java.net.URI;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A server and how to ask it.
 *
 * @param url its address, without a path
 * @param model name to ask for
 * @param keys API keys; none where the server asks for none
 * @param endpoint {@code /v1/chat/completions} or {@code /v1/completions}
 * @param ignoreEos whether to send {@code ignore_eos}, which OpenAI's API does not have: answers then have their full length
 */
public record Target(URI url, String model, List<String> keys, String endpoint, boolean ignoreEos) {
    public static final String CHAT = "/v1/chat/completions";
    public static final String COMPLETIONS = "/v1/completions";

    public Target {
        keys = List.copyOf(keys);
        boolean web = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
        if (!web || url.getHost() == null) {
            throw new IllegalArgumentException("--url is '" + url + "', must be http://HOST:PORT or https://HOST:PORT");
        }
        if (!endpoint.equals(CHAT) && !endpoint.equals(COMPLETIONS)) {
            throw new IllegalArgumentException(
                    "--endpoint is '" + endpoint + "', must be " + CHAT + " or " + COMPLETIONS);
        }
    }

    public boolean tls() {
        return "https".equals(url.getScheme());
    }

    public int port() {
        if (url.getPort() > 0) {
            return url.getPort();
        }
        return tls() ? 443 : 80;
    }

    /** The address without a path and a slash at its end. */
    public String base() {
        return url.getScheme() + "://" + url.getRawAuthority();
    }

    /** The only key of a test that needs no more. */
    public @Nullable String key() {
        return keys.isEmpty() ? null : keys.getFirst();
    }

    /** The same, asking for a model. */
    public Target withModel(String name) {
        return new Target(url, name, keys, endpoint, ignoreEos);
    }
}
