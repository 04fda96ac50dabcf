package dev.apus.models.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * One tokenizer of Hugging Face's Rust library. Thread-safe: calls share it, {@link #close} waits for those in flight.
 *
 * <p>The JNI entry points are used directly: DJL's own wrapper copies token strings and character spans that nobody here reads, which on
 * long prompts costs more than the tokenising, and lets a close race with an encode.
 */
final class NativeEngine implements AutoCloseable {
    private static final TokenizersLibrary LIB = TokenizersLibrary.LIB;

    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private long handle;

    /**
     * Builds a tokenizer.
     *
     * @param json a whole {@code tokenizer.json}; its truncation and padding are switched off
     * @throws TokenizerException if the library cannot be loaded here or refuses the text
     */
    NativeEngine(String json, String source) {
        NativeLoader.ensureLoaded();
        try {
            handle = LIB.createTokenizerFromString(json);
        } catch (RuntimeException e) {
            throw new TokenizerException(
                    source + ": the tokenizer's description is not accepted: " + e.getMessage()
                            + "; supported are the fields of Hugging Face tokenizers 0.21",
                    e);
        }
        LIB.disableTruncation(handle);
        LIB.disablePadding(handle);
    }

    int[] encode(String text, boolean addSpecialTokens) {
        lock.readLock().lock();
        try {
            long encoding = LIB.encode(open(), text, addSpecialTokens);
            try {
                long[] ids = LIB.getTokenIds(encoding);
                int[] result = new int[ids.length];
                for (int i = 0; i < ids.length; i++) {
                    result[i] = (int) ids[i];
                }
                return result;
            } finally {
                LIB.deleteEncoding(encoding);
            }
        } finally {
            lock.readLock().unlock();
        }
    }

    String decode(int[] ids, boolean skipSpecialTokens) {
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = ids[i];
        }
        lock.readLock().lock();
        try {
            return LIB.decode(open(), wide, skipSpecialTokens);
        } finally {
            lock.readLock().unlock();
        }
    }

    private long open() {
        if (handle == 0) {
            throw new IllegalStateException("the tokenizer is closed");
        }
        return handle;
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                LIB.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
