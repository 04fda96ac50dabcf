package dev.apus.models.hub;

import org.jspecify.annotations.Nullable;

/**
 * A file as a hub lists it.
 *
 * @param path inside the repository, checked to be plain and relative
 * @param size its bytes, or -1 where the listing does not say
 * @param digest its hash, or null where the listing does not say
 */
record RemoteFile(String path, long size, @Nullable Digest digest) {}
