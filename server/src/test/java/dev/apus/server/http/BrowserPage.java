package dev.apus.server.http;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;

/** A page in a {@link Browser}, used as a person would: by keys and clicks, and by what is seen. */
final class BrowserPage {
    private static final long WAIT_SECONDS = 20;

    private final Browser browser;
    private final String session;
    private final List<String> problems = new CopyOnWriteArrayList<>();
    private final List<String> requested = new CopyOnWriteArrayList<>();

    BrowserPage(Browser browser, String session) {
        this.browser = browser;
        this.session = session;
    }

    void start(String url, int width, int height) {
        call("Page.enable", Map.of());
        call("Runtime.enable", Map.of());
        call("Log.enable", Map.of());
        call("Network.enable", Map.of());
        size(width, height);
        call("Page.navigate", Map.of("url", url));
        await("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    private JsonNode call(String method, Map<String, ?> parameters) {
        return browser.call(session, method, parameters);
    }

    void event(String method, JsonNode parameters) {
        switch (method) {
            case "Runtime.exceptionThrown" -> problems.add(parameters.toString());
            case "Runtime.consoleAPICalled" ->
                problems.add(parameters.path("args").toString());
            case "Log.entryAdded" -> {
                JsonNode entry = parameters.get("entry");
                // Answers that are errors are told as the network's; a test that wants none sees them in the page.
                if (!entry.get("source").asString().equals("network")) {
                    problems.add(entry.toString());
                }
            }
            case "Network.requestWillBeSent" ->
                requested.add(parameters.at("/request/url").asString());
            default -> {}
        }
    }

    /** What was printed to the console, thrown, or hindered by the page's policy. */
    List<String> problems() {
        return problems;
    }

    /** All addresses that were asked for. */
    List<String> requested() {
        return requested;
    }

    void size(int width, int height) {
        call(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 500));
    }

    /** @param scheme {@code light} or {@code dark} */
    void prefer(String scheme) {
        call(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", scheme))));
    }

    void reload() {
        evaluate("window.old = true");
        call("Page.reload", Map.of());
        await("document.readyState === 'complete' && !window.old");
    }

    /** The value of a JavaScript expression, awaited if it is a promise. */
    JsonNode evaluate(String expression) {
        JsonNode answer =
                call("Runtime.evaluate", Map.of("expression", expression, "returnByValue", true, "awaitPromise", true));
        if (answer.has("exceptionDetails")) {
            throw new AssertionError(expression + ": " + answer.get("exceptionDetails"));
        }
        return answer.get("result").path("value");
    }

    String text(String selector) {
        return evaluate("document.querySelector('" + selector + "')?.innerText ?? ''")
                .asString();
    }

    int count(String selector) {
        return evaluate("document.querySelectorAll('" + selector + "').length").asInt();
    }

    /** Waits until a JavaScript expression is true. */
    void await(String condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        while (!evaluate("Boolean(" + condition + ")").asBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + WAIT_SECONDS + " s: " + condition + "; the page says:\n"
                        + text("body") + "\nproblems: " + problems);
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new AssertionError("interrupted", e);
            }
        }
    }

    void awaitText(String selector, String part) {
        await("(document.querySelector('" + selector + "')?.innerText ?? '').includes(" + quoted(part) + ")");
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }

    /** Clicks the middle of the first element that the selector names and that has the text. */
    void click(String selector, String text) {
        String find = "[...document.querySelectorAll('" + selector + "')].find(e => e.innerText.includes("
                + quoted(text) + ") && e.getClientRects().length > 0)";
        await(find);
        JsonNode at = evaluate("(() => { const e = " + find + "; e.scrollIntoView({block: 'nearest'});"
                + " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()");
        for (String type : List.of("mousePressed", "mouseReleased")) {
            call(
                    "Input.dispatchMouseEvent",
                    Map.of(
                            "type",
                            type,
                            "x",
                            at.get(0).asDouble(),
                            "y",
                            at.get(1).asDouble(),
                            "button",
                            "left",
                            "clickCount",
                            1));
        }
    }

    /** Types where the focus is. */
    void type(String text) {
        call("Input.insertText", Map.of("text", text));
    }

    /** Presses a key: {@code Enter}, {@code Escape}, {@code Tab}; with {@code Shift+} before it that, too. */
    void press(String name) {
        boolean shift = name.startsWith("Shift+");
        String key = shift ? name.substring("Shift+".length()) : name;
        int code =
                switch (key) {
                    case "Enter" -> 13;
                    case "Escape" -> 27;
                    case "Tab" -> 9;
                    default -> throw new IllegalArgumentException(key);
                };
        Map<String, Object> down = Map.of(
                "type",
                "keyDown",
                "key",
                key,
                "code",
                key,
                "windowsVirtualKeyCode",
                code,
                "modifiers",
                shift ? 8 : 0,
                "text",
                key.equals("Enter") ? "\r" : "");
        call("Input.dispatchKeyEvent", down);
        call("Input.dispatchKeyEvent", Map.of("type", "keyUp", "key", key, "code", key, "windowsVirtualKeyCode", code));
    }

    /** Writes what is seen as a PNG. */
    void screenshot(Path file) throws IOException {
        String data = call("Page.captureScreenshot", Map.of("format", "png"))
                .get("data")
                .asString();
        Files.write(file, Base64.getDecoder().decode(data));
    }
}
