package dev.apus.scheduler.pooling;

import dev.apus.scheduler.Tenant;

/**
 * One sequence to pool, immutable.
 *
 * @param ids token ids, special tokens included; not to be modified afterwards
 * @param types token type of each
 * @param tenant on whose account it runs
 */
public record PoolingRequest(int[] ids, int[] types, PoolingTask task, Tenant tenant) {
    public PoolingRequest {
        if (ids.length == 0 || types.length != ids.length) {
            throw new IllegalArgumentException("a sequence of " + ids.length + " tokens and " + types.length
                    + " token types; at least one token and as many types are needed");
        }
    }
}
