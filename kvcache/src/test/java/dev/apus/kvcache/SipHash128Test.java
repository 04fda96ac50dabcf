package dev.apus.kvcache;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SipHash128Test {
    @Test
    void emptyInputGivesThePublishedVector() {
        // Reference vectors of SipHash-2-4-128 with key 00 01 .. 0f: a3817f04ba25a8e66df67214c7550293 for the empty
        // input.
        SipHash128 sip = new SipHash128(0x0706050403020100L, 0x0f0e0d0c0b0a0908L);
        sip.finish();
        assertThat(sip.lo()).isEqualTo(0xe6a825ba047f81a3L);
        assertThat(sip.hi()).isEqualTo(0x930255c71472f66dL);
    }

    @Test
    void everyWordAndItsPlaceCount() {
        SipHash128 sip = new SipHash128(1, 2);
        Set<Long> seen = new HashSet<>();
        for (int length = 0; length < 12; length++) {
            for (int bit = 0; bit < 64; bit++) {
                sip.begin();
                for (int i = 0; i < length; i++) {
                    sip.add(i == length - 1 ? 1L << bit : 0);
                }
                sip.finish();
                seen.add(sip.lo() ^ Long.rotateLeft(sip.hi(), 1));
            }
        }
        assertThat(seen).hasSize(11 * 64 + 1);
    }
}
