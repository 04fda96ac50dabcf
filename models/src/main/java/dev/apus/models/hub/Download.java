package dev.apus.models.hub;

import java.net.URI;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One file to fetch.
 *
 * @param name as the hub lists it, for messages and progress
 * @param address where it is
 * @param target where it goes; what is unfinished lies beside it with {@code .incomplete} behind the name
 * @param lock the lock file under which it is written
 * @param size its bytes, or -1 where the hub does not say
 * @param digest its hash, or null where the hub does not say
 */
record Download(
        String name,
        URI address,
        Path target,
        Path lock,
        long size,
        @Nullable Digest digest) {
    /** Where it goes. */
    Path folder() {
        return Objects.requireNonNull(target.getParent(), "targets lie in a cache's folder");
    }

    /** The unfinished file. */
    Path incomplete() {
        return target.resolveSibling(target.getFileName() + ".incomplete");
    }

    /** The entity tag of the answer that the unfinished file began with. */
    Path tag() {
        return target.resolveSibling(target.getFileName() + ".incomplete.etag");
    }
}
