package dev.apus.server.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBufAllocator;
import io.netty.util.ResourceLeakDetector;
import org.junit.jupiter.api.Test;

class LeakCheckTest {
    @Test
    void findsABufferThatNobodyReleases() throws Exception {
        assertThat(ResourceLeakDetector.getLevel()).isEqualTo(ResourceLeakDetector.Level.PARANOID);
        LeakCheck check = new LeakCheck();
        check.listen();
        lose();

        assertThat(check.find()).isNotEmpty();
    }

    private static void lose() {
        ByteBufAllocator.DEFAULT.buffer(64).writeLong(1);
    }
}
