package dev.apus.scheduler;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * How fast the engine works, learnt from what it does: exponentially weighted means, so that they follow the load. The engine's thread
 * writes, once a step and once a request, without allocation; anybody reads without waiting. Values are written one by one: a reader may see
 * those of two steps in a row mixed, which differ by little.
 *
 * <p>A step of {@code t} tokens is taken to last {@code a + b t}: the least-squares line through the last steps (their mean where they had all
 * the same size, which tells nothing of {@code b}).
 */
final class ServiceRates {
    /** Steps that a mean goes over: a second or a few. */
    private static final double STEPS = 64;
    /** Requests that a mean goes over. */
    private static final double REQUESTS = 32;
    /** Steps and requests that must have been seen before anything is said of them. */
    static final int LEAST_STEPS = 32;

    static final int LEAST_ENDS = 8;
    static final int LEAST_CHECKS = 16;
    /** A step longer than so many usual ones (a collection of garbage, code that is compiled) counts as one of this length. */
    private static final double LONGEST_STEP = 4;
    /** Steps whose sizes differ by less, in relation to their mean, tell nothing of what a token costs. */
    private static final double LEAST_SPREAD = 0.05;
    /** What predictions are multiplied with before any has been checked. */
    private static final double UNPROVEN = 0.5;

    private static final double LEAST_CORRECTION = 0.1;
    private static final double MOST_CORRECTION = 2;
    /** Waits scatter: so many mean deviations above the mean lie few of them. TCP's retransmission timer is set likewise. */
    private static final double DEVIATIONS = 2;
    /** Predictions that are worth little refuse little. */
    private static final double MOST_CAUTION = 0.25;

    private static final int STEP_COUNT = 0;
    private static final int STEP_NANOS = 1;
    private static final int TOKEN_NANOS = 2;
    private static final int END_COUNT = 3;
    private static final int OUTPUT_TOKENS = 4;
    private static final int COMPUTED_SHARE = 5;
    private static final int PLACES = 6;
    private static final int CORRECTION = 7;

    /** Counts, and bits of doubles. */
    private final AtomicLongArray published = new AtomicLongArray(CORRECTION + 1);

    private long steps;
    private double meanTokens;
    private double meanNanos;
    private double meanSquare;
    private double meanProduct;
    private long ends;
    private double meanOutput;
    private double meanPrompt;
    private double meanComputed;
    private long begins;
    private double places;
    private long checks;
    private double predicted;
    private double actual;
    private double deviation;

    /** @param places sequences of a step at most */
    ServiceRates(int places) {
        this.places = places;
        publish(PLACES, places);
        publish(COMPUTED_SHARE, 1);
        publish(CORRECTION, UNPROVEN);
    }

    /** A step of so many tokens has taken so long. */
    void step(int tokens, long nanos) {
        double time = Math.max(0, nanos);
        if (steps >= LEAST_STEPS) {
            time = Math.min(time, LONGEST_STEP * meanNanos);
        }
        double weight = Math.max(1 / STEPS, 1.0 / ++steps);
        meanTokens += weight * (tokens - meanTokens);
        meanNanos += weight * (time - meanNanos);
        meanSquare += weight * ((double) tokens * tokens - meanSquare);
        meanProduct += weight * (tokens * time - meanProduct);
        double variance = meanSquare - meanTokens * meanTokens;
        double slope = 0;
        if (variance > square(LEAST_SPREAD * meanTokens)) {
            slope = (meanProduct - meanTokens * meanNanos) / variance;
            slope = Math.clamp(slope, 0, meanNanos / meanTokens);
        }
        publish(TOKEN_NANOS, slope);
        publish(STEP_NANOS, meanNanos - slope * meanTokens);
        published.setOpaque(STEP_COUNT, steps);
    }

    /** So many sequences ran and another had to wait, for a place or for blocks. */
    void full(int running) {
        places += (running - places) / STEPS;
        publish(PLACES, places);
    }

    /** So many sequences run. */
    void running(int count) {
        if (count > places) {
            places = count;
            publish(PLACES, places);
        }
    }

    /** The computation of a prompt has begun, of which so many tokens were cached. */
    void begun(int promptTokens, int cached) {
        double weight = Math.max(1 / REQUESTS, 1.0 / ++begins);
        meanPrompt += weight * (promptTokens - meanPrompt);
        meanComputed += weight * (promptTokens - cached - meanComputed);
        publish(COMPUTED_SHARE, meanComputed / meanPrompt);
    }

    /** A request has come to its own end. */
    void ended(int generatedTokens) {
        meanOutput += Math.max(1 / REQUESTS, 1.0 / ++ends) * (generatedTokens - meanOutput);
        publish(OUTPUT_TOKENS, meanOutput);
        published.setOpaque(END_COUNT, ends);
    }

    /** A request that was to wait so long has waited so long. */
    void check(double predictedNanos, double waitedNanos) {
        double weight = Math.max(1 / REQUESTS, 1.0 / ++checks);
        predicted += weight * (predictedNanos - predicted);
        actual += weight * (waitedNanos - actual);
        double proven = Math.min(1, checks / (double) LEAST_CHECKS);
        double ratio = Math.clamp(actual / predicted, LEAST_CORRECTION, MOST_CORRECTION);
        deviation += weight * (Math.abs(waitedNanos - ratio * predictedNanos) - deviation);
        double caution = Math.min(MOST_CAUTION, DEVIATIONS * deviation / (ratio * predicted));
        publish(CORRECTION, proven * ratio * (1 + caution) + (1 - proven) * UNPROVEN);
    }

    /** Whether enough steps have been seen to predict anything. */
    boolean known() {
        return published.getOpaque(STEP_COUNT) >= LEAST_STEPS;
    }

    /** What a step takes, whatever is in it, in nanoseconds. */
    double stepNanos() {
        return read(STEP_NANOS);
    }

    /** What each token adds. */
    double tokenNanos() {
        return read(TOKEN_NANOS);
    }

    /** Tokens of an answer; 0 if not known. */
    double outputTokens() {
        return published.getOpaque(END_COUNT) < LEAST_ENDS ? 0 : read(OUTPUT_TOKENS);
    }

    /** The part of prompt tokens that the prefix cache does not have, 0 to 1. */
    double computedShare() {
        return read(COMPUTED_SHARE);
    }

    /** Sequences that run at one time when others wait. */
    double places() {
        return Math.max(1, read(PLACES));
    }

    /** What to multiply predicted waits with, so that few are longer: how they have turned out, and their scatter. */
    double correction() {
        return read(CORRECTION);
    }

    private void publish(int index, double value) {
        published.setOpaque(index, Double.doubleToRawLongBits(value));
    }

    private double read(int index) {
        return Double.longBitsToDouble(published.getOpaque(index));
    }

    private static double square(double value) {
        return value * value;
    }
}
