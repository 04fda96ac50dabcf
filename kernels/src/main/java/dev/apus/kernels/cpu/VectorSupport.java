package dev.apus.kernels.cpu;

import java.lang.management.ManagementFactory;
import java.lang.management.RuntimeMXBean;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/** Whether this JVM runs the Vector API in machine code; without C2 each vector is an object and kernels would crawl. */
final class VectorSupport {
    /** Narrower vectors than NEON's and SSE's hold too little to pay. */
    private static final int MIN_BITS = 128;

    private VectorSupport() {}

    /** Why vector kernels cannot run well here, or null if they can. */
    static @Nullable String obstacle() {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            return "the JVM was started without --add-modules jdk.incubator.vector";
        }
        if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            return "this processor is big-endian";
        }
        RuntimeMXBean runtime = ManagementFactory.getRuntimeMXBean();
        if (runtime.getInputArguments().stream()
                .anyMatch(a ->
                        a.equals("-Xint") || a.equals("-XX:TieredStopAtLevel=1") || a.equals("-XX:-UseCompiler"))) {
            return "the JVM's optimising compiler is switched off";
        }
        if (!runtime.getVmName().contains("HotSpot") && !runtime.getVmName().contains("OpenJDK")) {
            return "the JVM is " + runtime.getVmName() + ", not HotSpot";
        }
        return bits() < MIN_BITS ? "vectors have " + bits() + " bits" : null;
    }

    /** Width of the vectors that kernels use. */
    static int bits() {
        return VectorMath.SPECIES.vectorBitSize();
    }
}
