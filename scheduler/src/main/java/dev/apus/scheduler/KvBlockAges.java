package dev.apus.scheduler;

/**
 * How long cached blocks of the KV cache live, of a sample; all in seconds.
 *
 * @param lifetime from the time a block is taken into use until it is evicted
 * @param idleBeforeEviction since it was last hit, or taken into use
 * @param reuseGap between two hits
 */
public record KvBlockAges(Distribution lifetime, Distribution idleBeforeEviction, Distribution reuseGap) {}
