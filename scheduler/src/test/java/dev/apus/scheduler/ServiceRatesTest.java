package dev.apus.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** What is learnt of an engine from its steps and requests. */
class ServiceRatesTest {
    private final ServiceRates rates = new ServiceRates(8);
    private final Random random = new Random(1);

    @Test
    void theLineThroughTheStepsIsFound() {
        for (int i = 0; i < 500; i++) {
            int tokens = 1 + random.nextInt(256);
            rates.step(tokens, Math.round(20_000 + 300.0 * tokens + 500 * random.nextGaussian()));
        }
        assertThat(rates.known()).isTrue();
        assertThat(rates.tokenNanos()).isCloseTo(300, within(15.0));
        assertThat(rates.stepNanos()).isCloseTo(20_000, within(2000.0));
    }

    @Test
    void stepsOfOneSizeTellNothingOfATokensPrice() {
        for (int i = 0; i < 100; i++) {
            rates.step(8, 10_000);
        }
        assertThat(rates.tokenNanos()).isZero();
        assertThat(rates.stepNanos()).isCloseTo(10_000, within(1e-6));
    }

    @Test
    void aPauseIsNoStep() {
        for (int i = 0; i < 100; i++) {
            rates.step(8, 10_000);
        }
        rates.step(8, 60_000_000_000L);
        assertThat(rates.stepNanos()).isLessThan(11_000);
    }

    @Test
    void aMachineThatGetsFasterIsSeenWithinAFewHundredSteps() {
        for (int i = 0; i < 100; i++) {
            rates.step(8 + i % 2, 1_000_000);
        }
        for (int i = 0; i < 400; i++) {
            rates.step(8 + i % 2, 10_000);
        }
        assertThat(rates.stepNanos() + 8 * rates.tokenNanos()).isCloseTo(10_000, within(3000.0));
    }

    @Test
    void placesFollowTheSequencesThatRunWhenOthersWait() {
        assertThat(rates.places()).isEqualTo(8);
        for (int i = 0; i < 500; i++) {
            rates.full(3);
        }
        assertThat(rates.places()).isCloseTo(3, within(0.1));
        rates.running(6);
        assertThat(rates.places()).isEqualTo(6);
    }

    @Test
    void lengthsAreSaidOnceThereAreAFew() {
        for (int i = 1; i < ServiceRates.LEAST_ENDS; i++) {
            rates.ended(100);
        }
        assertThat(rates.outputTokens()).isZero();
        rates.ended(100);
        assertThat(rates.outputTokens()).isEqualTo(100);
    }

    @Test
    void theShareThatIsCachedIsThatOfTheTokens() {
        for (int i = 0; i < 200; i++) {
            rates.begun(i % 2 == 0 ? 300 : 100, i % 2 == 0 ? 200 : 0);
        }
        assertThat(rates.computedShare()).isCloseTo(0.5, within(0.02));
    }

    @Test
    void predictionsCountHalfUntilTheyAreProven() {
        assertThat(rates.correction()).isEqualTo(0.5);
        for (int i = 0; i < ServiceRates.LEAST_CHECKS / 2; i++) {
            rates.check(1000, 1000);
        }
        assertThat(rates.correction()).isCloseTo(0.75, within(1e-9));
        for (int i = 0; i < ServiceRates.LEAST_CHECKS; i++) {
            rates.check(1000, 1000);
        }
        assertThat(rates.correction()).isCloseTo(1, within(1e-9));
    }

    @Test
    void waitsThatScatterAreTakenForLongerByAQuarterAtMost() {
        for (int i = 0; i < 200; i++) {
            rates.check(1000, 950 + i % 2 * 100);
        }
        assertThat(rates.correction()).isCloseTo(1.1, within(0.02));
        for (int i = 0; i < 400; i++) {
            rates.check(1000, i % 4 == 0 ? 4000 : 0);
        }
        assertThat(rates.correction()).isBetween(1.0, 1.7);
    }
}
