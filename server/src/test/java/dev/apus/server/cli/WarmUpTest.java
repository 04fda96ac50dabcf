package dev.apus.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.apus.scheduler.EngineOptions;
import dev.apus.scheduler.Generation;
import dev.apus.scheduler.LanguageModel;
import dev.apus.scheduler.SamplingParams;
import dev.apus.scheduler.SamplingParamsBuilder;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WarmUpTest {
    /** Long enough to be there when the warm-up looks. */
    private static final SamplingParams LONG = new SamplingParamsBuilder()
            .temperature(0)
            .maxTokens(500)
            .ignoreEos(true)
            .build();

    private static LanguageModel open() {
        return LanguageModel.open(Path.of(CliProcess.TINY), EngineOptions.defaults());
    }

    @Test
    void runsTheEngineAndEndsByItself() throws InterruptedException {
        try (LanguageModel model = open()) {
            WarmUp.start(model.served()).await();
            assertThat(model.served().engine().stats().generationTokens()).isGreaterThanOrEqualTo(6 * 16);
            assertThat(model.served().engine().stats().running()).isZero();
        }
    }

    @Test
    void ceasesWhenSomebodyAsks() throws InterruptedException {
        try (LanguageModel model = open();
                WarmUp warmUp = WarmUp.start(model.served());
                Generation answer = model.generate(new int[] {3, 4}, LONG, List.of())) {
            assertThat(answer.iterator().hasNext()).isTrue();
            warmUp.await();
            assertThat(answer.finishReason())
                    .as("it did not outlast the answer")
                    .isNull();
        }
    }

    @Test
    void leavesNothingWhenItIsClosed() {
        try (LanguageModel model = open()) {
            WarmUp.start(model.served()).close();
            assertThat(Thread.getAllStackTraces().keySet())
                    .extracting(Thread::getName)
                    .doesNotContain("apus-warm-up");
        }
    }
}
