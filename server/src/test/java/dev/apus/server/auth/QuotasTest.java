package dev.apus.server.auth;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class QuotasTest {
    private static final long SECOND = 1_000_000_000L;

    private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - 100 * SECOND);
    private final Quotas quotas = new Quotas(now::get);

    private static Principal tenant(String name, long requests, long tokens, int concurrent) {
        Terms terms = new Terms(1, 1, requests, tokens, concurrent);
        return new Principal(name + "-key", name, Set.of(Role.INFERENCE), Set.of(), terms);
    }

    private int refusal(Principal principal, String what) {
        QuotaException e = catchThrowableOfType(QuotaException.class, () -> quotas.enter(principal));
        assertThat(e).hasMessageContaining(what);
        return e.retryAfterSeconds();
    }

    @Test
    void requestsOfAMinuteMayComeAtOnceAndComeBackEvenly() {
        Principal a = tenant("a", 6, 0, 0);
        for (int i = 0; i < 6; i++) {
            assertThat(quotas.enter(a).standing().requestsLeft()).isEqualTo(5 - i);
        }
        assertThat(refusal(a, "6 requests")).isEqualTo(10);
        now.addAndGet(9 * SECOND);
        assertThat(refusal(a, "6 requests")).isEqualTo(1);
        now.addAndGet(SECOND);
        quotas.enter(a);
        assertThat(refusal(a, "6 requests")).isEqualTo(10);
        now.addAndGet(3600 * SECOND);
        for (int i = 0; i < 6; i++) {
            quotas.enter(a);
        }
        assertThat(refusal(a, "6 requests"))
                .as("an hour saves no more than a minute's")
                .isEqualTo(10);
    }

    @Test
    void tenantsHaveTheirOwnAndKeysOfOneShare() {
        Principal a = tenant("a", 1, 0, 0);
        Principal sameTenant = new Principal("other-key", "a", a.roles(), a.models(), a.terms());
        quotas.enter(a);
        assertThat(refusal(sameTenant, "'a'")).isEqualTo(60);
        quotas.enter(tenant("b", 1, 0, 0));
    }

    @Test
    void tokensAreTakenAsTheyComeAndADebtIsPaidFirst() {
        Principal a = tenant("a", 0, 600, 0);
        Admission one = quotas.enter(a);
        one.takePrompt(100);
        one.takeGenerated(500);
        assertThat(one.standing().tokensLeft()).isZero();
        // Those that run go on.
        one.takeGenerated(300);
        assertThat(refusal(a, "tokens")).as("300 owed and 1, at 10 a second").isEqualTo(31);
        now.addAndGet(31 * SECOND);
        Admission two = quotas.enter(a);
        QuotaException e = catchThrowableOfType(QuotaException.class, () -> two.takePrompt(50));
        assertThat(e).hasMessageContainingAll("10 are left", "50 are needed");
        assertThat(e.retryAfterSeconds()).isEqualTo(4);
        assertThat(two.standing().tokensLeft())
                .as("what was refused took nothing")
                .isEqualTo(10);
    }

    @Test
    void aPromptBeyondTheLimitIsNeverTaken() {
        Admission one = quotas.enter(tenant("a", 0, 600, 0));
        QuotaException e = catchThrowableOfType(QuotaException.class, () -> one.takePrompt(601));
        assertThat(e).hasMessageContainingAll("601", "600");
        assertThat(e.retryAfterSeconds()).isZero();
        one.takePrompt(600);
    }

    @Test
    void whatWasNotUsedIsGivenBack() {
        Admission one = quotas.enter(tenant("a", 0, 600, 0));
        one.takePrompt(600);
        one.giveBack(600);
        one.takePrompt(600);
        one.giveBack(10_000);
        assertThat(one.standing().tokensLeft()).as("never more than a minute's").isEqualTo(600);
    }

    @Test
    void soManyRunAtOneTime() {
        Principal a = tenant("a", 0, 0, 2);
        Admission one = quotas.enter(a);
        Admission two = quotas.enter(a);
        assertThat(refusal(a, "2 at one time")).isEqualTo(1);
        one.leave();
        one.leave();
        quotas.enter(a);
        assertThat(refusal(a, "2 at one time"))
                .as("who leaves twice frees one place")
                .isEqualTo(1);
        two.leave();
        quotas.enter(a);
    }

    @Test
    void newTermsHoldAtOnce() {
        quotas.enter(tenant("a", 100, 0, 0));
        Principal less = tenant("a", 1, 0, 0);
        quotas.enter(less);
        assertThat(refusal(less, "1 requests")).isEqualTo(60);
        Admission more = quotas.enter(tenant("a", 0, 50, 0));
        more.takePrompt(50);
        assertThat(refusal(tenant("a", 0, 50, 0), "tokens")).isEqualTo(2);
        assertThat(quotas.enter(tenant("a", 0, 0, 0))).isSameAs(Admission.UNLIMITED);
    }

    @Test
    void threadsNeverGetMoreThanThereIs() throws Exception {
        Principal a = tenant("a", 1000, 0, 0);
        List<Future<Integer>> counts = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (int t = 0; t < 4; t++) {
                counts.add(threads.submit(() -> {
                    int granted = 0;
                    for (int i = 0; i < 500; i++) {
                        try {
                            quotas.enter(a).leave();
                            granted++;
                        } catch (QuotaException e) {
                            assertThat(e.retryAfterSeconds()).isPositive();
                        }
                    }
                    return granted;
                }));
            }
        }
        int sum = 0;
        for (Future<Integer> count : counts) {
            sum += count.get();
        }
        assertThat(sum).isEqualTo(1000);
    }

    @Test
    void termsAreChecked() {
        assertThatThrownBy(() -> new Terms(1, 1, -1, 0, 0)).hasMessageContaining("requests_per_minute is -1");
        assertThatThrownBy(() -> new Terms(1, 1, 0, Long.MAX_VALUE, 0)).hasMessageContaining("tokens_per_minute");
        assertThatThrownBy(() -> new Terms(Double.NaN, 1, 0, 0, 0)).hasMessageContaining("weight is NaN");
        assertThatThrownBy(() -> new Terms(1, 0, 0, 0, 0)).hasMessageContaining("kv_share is 0.0");
    }
}
