package dev.apus.loadtest.gatling;

/** What is measured of a series, as Gatling's report calls it. */
final class ReportNames {
    private ReportNames() {}

    static String firstToken(String series) {
        return series + ": time to first token";
    }

    static String gap(String series) {
        return series + ": gap between tokens";
    }
}
