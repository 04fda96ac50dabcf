package dev.apus.scheduler;

/**
 * What a tenant has of the engine at one moment, and has had since the engine first heard of it. A tenant that has been idle for long may be
 * forgotten: its counters then begin anew.
 *
 * @param name the tenant's name
 * @param running requests being computed
 * @param waiting requests queued
 * @param promptTokens tokens of prompts that are done, those found in the prefix cache included
 * @param cachedTokens those of them that were found in the prefix cache
 * @param generationTokens tokens sampled
 * @param preemptions requests preempted
 */
public record TenantStats(
        String name,
        int running,
        int waiting,
        long promptTokens,
        long cachedTokens,
        long generationTokens,
        long preemptions) {}
