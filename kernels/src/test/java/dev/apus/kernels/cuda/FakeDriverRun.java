package dev.apus.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.apus.kernels.StepMarks;
import dev.apus.kernels.cuda.ffi.Cuda;
import dev.apus.kernels.cuda.ffi.CudaException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** Calls every function of the driver that the backend uses; {@link FakeDriverTest} runs it in a process with a stand-in driver. */
final class FakeDriverRun {
    private FakeDriverRun() {}

    public static void main(String[] args) {
        say("version " + Cuda.driverVersion());
        CudaSupport.findings().stream().limit(2).forEach(f -> say(f.part() + ": " + f.state() + ", " + f.usable()));
        try (Arena arena = Arena.ofConfined();
                CudaDevice device = CudaDevice.open(0)) {
            say(device.name() + ", " + device.multiprocessors() + ", " + device.capability() + ", "
                    + device.architecture() + ", " + device.totalMemory() + ", " + device.freeMemory() + ", "
                    + device.l2Bytes() + ", " + device.maxSharedBytes());
            memory(device);
            events(device);
            launches(device, arena);
            failures(device);
        }
        try (Arena arena = Arena.ofConfined()) {
            kernelFault(arena);
        }
    }

    private static void say(String line) {
        System.out.println(line);
    }

    private static void memory(CudaDevice device) {
        long address = device.allocate(1000);
        try (CudaStream stream = device.newStream();
                PinnedMemory pinned = PinnedMemory.allocate(device, 64)) {
            MemorySegment bytes = pinned.segment();
            bytes.asSlice(0, 5).copyFrom(MemorySegment.ofArray("hello".getBytes(StandardCharsets.US_ASCII)));
            stream.upload(address, bytes, 5);
            stream.download(bytes, address + 1, 3);
            stream.synchronize();
            say("downloaded " + bytes.getString(0));
            stream.copy(address + 2, address, 7);
            stream.fill(address, (byte) 0xAB, 9);
            try {
                stream.upload(address, bytes, 65);
            } catch (IllegalArgumentException e) {
                say(String.valueOf(e.getMessage()));
            }
        }
        device.free(address);
        device.allocate(0);
    }

    private static void events(CudaDevice device) {
        try (CudaStream stream = device.newStream();
                CudaEvent event = device.newEvent()) {
            event.record(stream);
            say("done " + event.isDone() + ", " + event.isDone());
            event.synchronize();
            stream.await(event);
            say("millis " + event.millisSince(event));
        }
        try (CudaStream stream = device.newStream();
                EventMarks marks = new EventMarks(device, stream)) {
            for (int step = 0; step < 2 * StepMarks.STEPS_KEPT; step++) {
                marks.start(step);
                marks.end(step);
            }
            say("marks " + marks.millis(7) + ", " + marks.millisBefore(7));
        }
    }

    private static void launches(CudaDevice device, Arena arena) {
        LaunchArgs args = new LaunchArgs(arena);
        try (CudaStream stream = device.newStream();
                KernelModule module =
                        KernelModule.load(device, "fake.cu", "CODE".getBytes(StandardCharsets.US_ASCII))) {
            CudaFunction kernel = module.function("kernel");
            say("registers " + kernel.registers() + ", local " + kernel.localBytes() + ", blocks "
                    + kernel.blocksPerMultiprocessor(256, 100_000));
            kernel.allowShared(100_000);
            MemorySegment struct = arena.allocate(24, 8);
            struct.setAtIndex(JAVA_INT, 0, 11);
            struct.setAtIndex(JAVA_INT, 5, 16);
            args.clear()
                    .address(0x7f00_0000_0100L)
                    .i32(-3)
                    .f32(2.5f)
                    .i64(1L << 40)
                    .struct(struct, 8);
            kernel.launch(stream, 1000, 20, 3, 256, 100_000, args);
            stream.beginCapture();
            kernel.launch(stream, 1, 1, 1, 32, 0, args);
            try (CudaGraph graph = stream.endCapture()) {
                stream.launch(graph);
            }
            stream.beginCapture();
            stream.abandonCapture();
            stream.abandonCapture();
            try {
                kernel.launch(stream, 5, 1, 1, 32, 1, args);
            } catch (CudaException e) {
                say(String.valueOf(e.getMessage()));
            }
        }
    }

    private static void failures(CudaDevice device) {
        try {
            device.allocate(1L << 41);
        } catch (CudaException e) {
            say(e.isOutOfMemory() + " " + e.getMessage());
        }
        try {
            KernelModule.load(device, "bad.cu", "DATA".getBytes(StandardCharsets.US_ASCII))
                    .close();
        } catch (CudaException e) {
            say(String.valueOf(e.getMessage()));
        }
        try (KernelModule module = KernelModule.load(device, "fake.cu", "CODE".getBytes(StandardCharsets.US_ASCII))) {
            module.function("absent");
        } catch (CudaException e) {
            say(String.valueOf(e.getMessage()));
        }
        try {
            CudaDevice.open(3).close();
        } catch (IllegalArgumentException e) {
            say(String.valueOf(e.getMessage()));
        }
    }

    private static void kernelFault(Arena arena) {
        CudaDevice device = CudaDevice.open(0);
        device.allocate(10);
        CudaStream stream = device.newStream();
        KernelModule.load(device, "fake.cu", "CODE".getBytes(StandardCharsets.US_ASCII))
                .function("kernel")
                .launch(stream, 1, 1, 1, 32, 2, new LaunchArgs(arena));
        try {
            Closing.all(stream::synchronize, stream::close, device::close);
        } catch (CudaException e) {
            say(e.getSuppressed().length + " more after " + e.getMessage());
        }
    }
}
