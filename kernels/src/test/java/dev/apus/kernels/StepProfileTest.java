package dev.apus.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class StepProfileTest {
    private static final long MILLI = 1_000_000;

    private final Device device = new Device();
    private long now = 5 * MILLI;

    /** A device whose steps take 8 ms, after gaps that tell which step it was. */
    private static final class Device implements StepMarks {
        final List<String> calls = new ArrayList<>();

        @Override
        public void start(long step) {
            calls.add("start " + step);
        }

        @Override
        public void end(long step) {
            calls.add("end " + step);
        }

        @Override
        public double millis(long step) {
            return 8;
        }

        @Override
        public double millisBefore(long step) {
            return 2 + 0.1 * step;
        }
    }

    private StepProfile profile(int capacity) {
        return new StepProfile(device, capacity, () -> now);
    }

    private static void launch(StepProfile profile, int sequences) {
        profile.starts();
        profile.launched(sequences);
    }

    private void await(StepProfile profile, double waitMillis) {
        profile.waits();
        now += (long) (waitMillis * MILLI);
        profile.waited();
    }

    @Test
    void keepsTheThreadsTimeBetweenTwoWaitsForTheStepLaunchedThere() {
        StepProfile profile = profile(10);
        profile.resume();
        launch(profile, 4);
        launch(profile, 4);
        await(profile, 7); // step 0: nothing before it
        now += MILLI;
        launch(profile, 4);
        now += MILLI / 2;
        await(profile, 7); // step 1: launched before the first wait
        now += MILLI / 4;
        launch(profile, 4);
        await(profile, 7); // step 2
        await(profile, 7); // step 3
        assertThat(profile.count()).isEqualTo(2);
        assertThat(profile.hostMillis()).containsExactly(1.5, 0.25);
        assertThat(profile.deviceMillis()).containsExactly(8, 8);
        assertThat(profile.idleMillis()).containsExactly(2 + 0.1 * 2, 2 + 0.1 * 3);
        assertThat(device.calls)
                .containsExactly("start 0", "end 0", "start 1", "end 1", "start 2", "end 2", "start 3", "end 3");
    }

    @Test
    void leavesOutStepsWithPromptsAndThoseAfterAChange() {
        StepProfile profile = profile(10);
        profile.resume();
        int[] sequences = {0, 3, 3, 2, 2, 0, 2, 2};
        launch(profile, sequences[0]);
        for (int i = 1; i < sequences.length; i++) {
            launch(profile, sequences[i]);
            await(profile, 1);
        }
        await(profile, 1);
        assertThat(profile.idleMillis()).containsExactly(2 + 0.1 * 2, 2 + 0.1 * 4, 2 + 0.1 * 7);
    }

    @Test
    void leavesOutStepsAfterAnIdleEngineAndThoseBeforeItIsToldToKeep() {
        StepProfile profile = profile(10);
        launch(profile, 1);
        for (int i = 0; i < 5; i++) {
            launch(profile, 1);
            await(profile, 1);
        }
        await(profile, 1);
        assertThat(profile.count()).isZero();
        profile.resume();
        now += 1000 * MILLI;
        launch(profile, 1);
        launch(profile, 1);
        await(profile, 1);
        launch(profile, 1);
        await(profile, 1);
        await(profile, 1);
        assertThat(profile.hostMillis()).containsExactly(0);
    }

    @Test
    void dropsWhatItHasNoRoomFor() {
        StepProfile profile = profile(3);
        profile.resume();
        launch(profile, 1);
        for (int i = 0; i < 20; i++) {
            launch(profile, 1);
            now += i * MILLI;
            await(profile, 1);
        }
        assertThat(profile.hostMillis()).containsExactly(1, 2, 3);
    }
}
