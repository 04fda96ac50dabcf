package dev.apus.server.http;

import dev.apus.models.tokenizer.Tokenizer;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Encodes clients' texts. A text that cannot fit is refused before, because a native tokenizer takes a second and some 150 bytes of memory
 * outside the heap per byte of text; long ones are encoded a few at a time on threads of their own, because a native call holds the carrier
 * of the virtual thread that makes it and there are as many as cores. Thread-safe.
 */
final class TextEncoder implements AutoCloseable {
    /** Texts up to so many characters are encoded where they are: that takes some milliseconds. */
    private static final int SHORT = 16 << 10;
    /** A text that is not bound by the context (to be cut, or only counted) may be so many times as long as what fits. */
    private static final int HEADROOM = 2;
    /** And has at least so many bytes whatever the context: about a second's work. */
    private static final long LEAST_LONG = 1 << 20;

    private final Tokenizer tokenizer;
    private final int maxModelLength;
    private final ThreadPoolExecutor threads;
    /** Bytes of the longest token; 0 until somebody needs it, for it takes a pass over the vocabulary. */
    private volatile int longestToken;

    TextEncoder(Tokenizer tokenizer, int maxModelLength) {
        this.tokenizer = tokenizer;
        this.maxModelLength = maxModelLength;
        // The engine needs the cores, too.
        int count = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
        // Unbounded: the bodies that the texts came in are.
        threads = new ThreadPoolExecutor(
                count,
                count,
                1,
                TimeUnit.MINUTES,
                new LinkedBlockingQueue<>(),
                Thread.ofPlatform().name("apus-http-encode-", 0).daemon(true).factory());
        threads.allowCoreThreadTimeOut(true);
    }

    /**
     * Encodes a prompt that must fit the context.
     *
     * @param param the parameter that it came in, for messages
     * @throws ApiException if no tokenisation of it fits, or it gives no token
     */
    int[] prompt(Exchange exchange, String param, String text, boolean addSpecialTokens) {
        return notEmpty(param, prompt(exchange, param, text, addSpecialTokens, true));
    }

    /** @throws ApiException if a prompt has no token, which no model can go on from */
    static int[] notEmpty(String param, int[] ids) {
        if (ids.length == 0) {
            throw ApiException.invalid(param, "the prompt is empty, it must give at least one token");
        }
        return ids;
    }

    /** The same, but it may be empty; {@code parseSpecialTokens} as {@link Tokenizer#encode}'s. */
    int[] prompt(Exchange exchange, String param, String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        // A token without a text stands for a byte at least.
        if (text.length() > maxModelLength) {
            check(param, text, (long) maxModelLength * longestToken());
        }
        return encode(exchange, text, addSpecialTokens, parseSpecialTokens);
    }

    /**
     * Encodes a text of which only a part is needed, or only the number of its tokens.
     *
     * @throws ApiException if it is far longer than what fits the context
     */
    int[] any(Exchange exchange, String param, String text, boolean addSpecialTokens) {
        return any(exchange, param, text, addSpecialTokens, true);
    }

    /** The same; {@code parseSpecialTokens} as {@link Tokenizer#encode}'s. */
    int[] any(Exchange exchange, String param, String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        if (text.length() > LEAST_LONG / 3) {
            check(param, text, Math.max(LEAST_LONG, (long) HEADROOM * maxModelLength * longestToken()));
        }
        return encode(exchange, text, addSpecialTokens, parseSpecialTokens);
    }

    private void check(String param, String text, long most) {
        long bytes = utf8Length(text);
        if (bytes > most) {
            throw new ApiException(
                    400,
                    "'" + param + "' has " + bytes + " bytes of text, at most " + most
                            + " are taken: the context length is "
                            + maxModelLength + " tokens and the model's longest token has " + longestToken()
                            + " bytes; shorten it",
                    param,
                    "context_length_exceeded",
                    0);
        }
    }

    private int[] encode(Exchange exchange, String text, boolean addSpecialTokens, boolean parseSpecialTokens) {
        if (text.length() <= SHORT) {
            return tokenizer.encode(text, addSpecialTokens, parseSpecialTokens);
        }
        try {
            Future<int[]> ids = threads.submit(() -> {
                if (exchange.isOver()) {
                    throw ApiException.unavailable("the client has gone");
                }
                return tokenizer.encode(text, addSpecialTokens, parseSpecialTokens);
            });
            return ids.get();
        } catch (InterruptedException | RejectedExecutionException e) {
            throw ApiException.unavailable("the server is closed");
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw new IllegalStateException(e);
            }
        }
    }

    private int longestToken() {
        int longest = longestToken;
        if (longest == 0) {
            longest = 1;
            for (int id = 0; id < tokenizer.size(); id++) {
                longest = Math.max(longest, tokenizer.tokenBytes(id).length);
            }
            longestToken = longest;
        }
        return longest;
    }

    private static long utf8Length(String text) {
        long bytes = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            // Half of a pair: two of them are the four bytes of a character.
            bytes += c < 0x80 ? 1 : c < 0x800 || Character.isSurrogate(c) ? 2 : 3;
        }
        return bytes;
    }

    /** Ends its threads; texts that wait are not encoded. */
    @Override
    public void close() {
        threads.shutdownNow();
    }
}
