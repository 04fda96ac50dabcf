package dev.apus.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Fails a test class in which Netty's leak detector finds a buffer that was collected without having been released. Registered for all
 * classes of this module; the build sets the detector to look at every buffer.
 */
public final class LeakCheck implements BeforeAllCallback, AfterAllCallback {
    private static final int ROUNDS = 3;

    private final List<String> leaks = new CopyOnWriteArrayList<>();

    @Override
    public void beforeAll(ExtensionContext context) {
        listen();
    }

    void listen() {
        ByteBufUtil.setLeakListener((type, records) -> leaks.add(type + " " + records));
    }

    @Override
    public void afterAll(ExtensionContext context) throws InterruptedException {
        List<String> found = find();
        if (!found.isEmpty()) {
            throw new AssertionError(found.size() + " buffers were not released, the first: " + found.getFirst());
        }
    }

    /** Leaks known by now: the detector sees a lost buffer when it is collected, and tells of it at the next allocation. */
    List<String> find() throws InterruptedException {
        for (int i = 0; i < ROUNDS; i++) {
            System.gc();
            // References are queued a moment after the collection.
            Thread.sleep(20);
            ByteBuf any = PooledByteBufAllocator.DEFAULT.heapBuffer(16);
            any.release();
        }
        List<String> found = new ArrayList<>(leaks);
        leaks.clear();
        return found;
    }
}
