package dev.apus.loadtest;

import java.util.Locale;

/** Shapes of load. */
public enum Scenario {
    /** Equal load all the time. */
    STEADY,
    /** More and more users, to where the server gives no more tokens a second. */
    RAMP,
    /** Few users, suddenly many, few again. */
    SPIKE,
    /** Tenants that want the same, and one that wants ten times as much. */
    TENANTS,
    /** Short prompts, and long ones among them. */
    LONG_PROMPTS,
    /** Equal load, beside clients that read slowly or go away. */
    HOSTILE,
    /** Equal load for long, beside clients that do everything wrong, while keys and certificates change. */
    SOAK;

    /** As on the command line. */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
