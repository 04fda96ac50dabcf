package dev.apus.server.http;

import dev.apus.server.http.Route.Kind;
import dev.apus.server.http.Route.Needs;
import io.netty.handler.codec.http.HttpHeaderNames;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The console: a page for browsers, and its script, style and picture. They are the same for all and hold no data, so they need no key; what
 * the page asks for needs one. Thread-safe.
 */
final class ConsoleRoutes {
    static final String FOLDER = "/console/";
    private static final String RESOURCES = "/dev/apus/server/console/";
    private static final String PAGE = "index.html";
    /** What may be asked for: nothing else in the jar can be. */
    private static final Set<String> FILES = Set.of(
            PAGE,
            "style.css",
            "icon.svg",
            "app.js",
            "api.js",
            "dom.js",
            "chat.js",
            "markdown.js",
            "live.js",
            "chart.js",
            "requests.js");

    /** Nothing but what the server itself sends may run, show or be asked; no text can become markup; no page may frame this one. */
    private static final String POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
                    + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private record Asset(byte[] content, String type, String tag) {}

    private final Map<String, Asset> read = new ConcurrentHashMap<>();

    List<Route> routes() {
        return List.of(
                new Route("GET", "/", Kind.ORDINARY, Needs.NOTHING, true, exchange -> answer(exchange, PAGE)),
                new Route("GET", FOLDER + "*", Kind.ORDINARY, Needs.NOTHING, this::asset));
    }

    private void asset(Exchange exchange) {
        String name = exchange.path().substring(FOLDER.length());
        // The page has one address, from which its relative ones lead on.
        if (!FILES.contains(name) || name.equals(PAGE)) {
            throw new ApiException(404, "the console has no such file", null, "not_found", 0);
        }
        answer(exchange, name);
    }

    private void answer(Exchange exchange, String name) {
        Asset asset = read.computeIfAbsent(name, ConsoleRoutes::read);
        exchange.header("content-security-policy", POLICY);
        exchange.header("x-content-type-options", "nosniff");
        exchange.header("referrer-policy", "no-referrer");
        exchange.header("cross-origin-resource-policy", "same-origin");
        // Kept, but asked for again each time: another version's page and script do not mix.
        exchange.header("cache-control", "no-cache");
        exchange.header("etag", asset.tag());
        if (name.equals(PAGE)) {
            exchange.header("vary", "accept");
        }
        if (isKnown(exchange, asset.tag())) {
            exchange.respond(304, "", new byte[0]);
        } else {
            exchange.respond(200, asset.type(), asset.content());
        }
    }

    private static boolean isKnown(Exchange exchange, String tag) {
        return exchange.headers().getAll(HttpHeaderNames.IF_NONE_MATCH).stream()
                .flatMap(value -> Arrays.stream(value.split(",")))
                .map(String::strip)
                .anyMatch(value -> value.equals("*") || value.equals(tag) || value.equals("W/" + tag));
    }

    private static Asset read(String name) {
        try (InputStream in = ConsoleRoutes.class.getResourceAsStream(RESOURCES + name)) {
            if (in == null) {
                throw new IllegalStateException("there is no resource " + RESOURCES + name);
            }
            byte[] content = in.readAllBytes();
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(content);
            String tag = '"' + HexFormat.of().formatHex(hash, 0, 12) + '"';
            return new Asset(content, type(name), tag);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static String type(String name) {
        return switch (name.substring(name.lastIndexOf('.') + 1)) {
            case "html" -> "text/html; charset=utf-8";
            case "css" -> "text/css; charset=utf-8";
            case "svg" -> "image/svg+xml";
            default -> "text/javascript; charset=utf-8";
        };
    }
}
